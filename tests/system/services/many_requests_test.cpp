// Many requests at once: each gets its own reply, once, and the broker's memory stays bounded.
#include "tests/system/services/broker_scene.hpp"

namespace skald::test {
namespace {

struct tally {
  int answered = 0;
  int refused = 0;
};

asio::awaitable<void> ask(client& broker, int number, tally& into) {
  const std::string body = "request " + std::to_string(number);
  try {
    const reply said = co_await broker.request("many", body);
    CHECK(said.body == body);
    ++into.answered;
  } catch (const error& why) {
    CHECK(why.code() == errc::overloaded);
    ++into.refused;
  }
}

TEST_CASE("ten thousand requests are in flight at once, and each gets its own reply") {
  for (const unsigned threads : {1u, 2u}) {
    CAPTURE(threads);
    services_scene on(threads);
    client serving = on.make_client();
    on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
      constexpr int count = 10'000;
      responder many = co_await server.serve("many", {.window = count});
      tally so_far;
      for (int i = 0; i < count; ++i) scene.spawn(ask(*scene.caller, i, so_far));
      std::vector<service_request> held;
      while (held.size() < count) held.push_back(co_await many.receive());
      const auto services = co_await scene.caller->list_services();
      CHECK(services[0].statistics.in_flight == count);
      for (std::size_t i = held.size(); i-- > 0;) {
        const std::string body(held[i].body());
        held[i].reply(body);
      }
      while (so_far.answered < count) co_await scene.caller->status();
      CHECK(so_far.refused == 0);
    }(on, serving));
    on.until([&] { return on.running == 0; });
  }
}

TEST_CASE("what a stuck responder cannot take is refused beyond the broker's budget, not kept") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder stuck = co_await server.serve("many", {.window = 1});
    tally so_far;
    const std::string large(1u << 19, 'x');
    int refused = 0;
    int ended = 0;
    constexpr int count = 200;  // a hundred megabytes
    for (int i = 0; i < count; ++i) {
      scene.spawn(
          [](services_scene& of, const std::string& body, int& full, int& over) -> asio::awaitable<void> {
            const errc code = co_await code_of(of.caller->request("many", body, {.timeout = 10min}));
            full += code == errc::overloaded ? 1 : 0;
            ++over;
          }(scene, large, refused, ended));
    }
    while (refused < count / 2) co_await scene.caller->status();
    CHECK(ended == refused);
    stuck.close();
    while (ended < count) co_await scene.caller->status();
  }(on, serving));
  on.until([&] { return on.running == 0; });
}

}  // namespace
}  // namespace skald::test
