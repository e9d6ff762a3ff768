// Answering: what a responder sees, in every case.
#include <atomic>
#include <thread>

#include "tests/system/services/broker_scene.hpp"

namespace skald::test {
namespace {

TEST_CASE("a handler's text is the reply, its exception the failure") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder square = co_await server.serve("square");
    scene.spawn(square.run([](const service_request& asked) {
      const int number = std::stoi(std::string(asked.body()));
      if (number < 0) throw responder_error(2, "not negative, please", "");
      return std::to_string(number * number);
    }));
    const reply said = co_await scene.caller->request("square", "12");
    CHECK(said.body == "144");
    try {
      co_await scene.caller->request("square", "-1");
      FAIL_CHECK("a failure is thrown");
    } catch (const responder_error& why) {
      CHECK(why.responder_code() == 2);
    }
    try {
      co_await scene.caller->request("square", "many");
      FAIL_CHECK("a failure is thrown");
    } catch (const responder_error& why) {
      CHECK(why.responder_code() == 1);
    }
    co_await square.drain();
  }(on, serving));
  on.until([&] { return on.running == 0; });
}

TEST_CASE("handlers that wait run side by side, as many as the window allows") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder slow = co_await server.serve("slow", {.window = 3});
    int at_work = 0;
    int at_most = 0;
    scene.spawn(slow.run([&](const service_request& asked) -> asio::awaitable<std::string> {
      at_most = std::max(at_most, ++at_work);
      for (int i = 0; i < 3; ++i) co_await server.status();
      --at_work;
      co_return std::string(asked.body());
    }));
    int answered = 0;
    for (int i = 0; i < 12; ++i) {
      scene.spawn([](services_scene& of, int number, int& count) -> asio::awaitable<void> {
        const std::string body = std::to_string(number);
        const reply said = co_await of.caller->request("slow", body);
        CHECK(said.body == body);
        ++count;
      }(scene, i, answered));
    }
    while (answered < 12) co_await scene.caller->status();
    CHECK(at_most == 3);
    co_await slow.drain();
  }(on, serving));
  on.until([&] { return on.running == 0; });
}

TEST_CASE("a dropped request is a failure, not a silence") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    responder careless = co_await scene.caller->serve("careless");
    scene.spawn([](responder& with) -> asio::awaitable<void> {
      const service_request dropped = co_await with.receive();
    }(careless));
    CHECK(co_await code_of(scene.caller->request("careless", "", {.timeout = 10min})) ==
          errc::responder_failed);
  }(on));
}

TEST_CASE("a request is answered once; a second time is the caller's mistake") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    responder eager = co_await scene.caller->serve("eager");
    scene.spawn([](responder& with) -> asio::awaitable<void> {
      service_request asked = co_await with.receive();
      asked.reply("once");
      CHECK_THROWS_AS(asked.reply("twice"), error);
    }(eager));
    const reply said = co_await scene.caller->request("eager");
    CHECK(said.body == "once");
  }(on));
}

TEST_CASE("draining finishes what there is and refuses what comes, then receive() says closed") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder leaving = co_await server.serve("leaving");
    std::optional<reply> said;
    scene.spawn([](services_scene& of, std::optional<reply>& into) -> asio::awaitable<void> {
      into = co_await of.caller->request("leaving");
    }(scene, said));
    service_request asked = co_await leaving.receive();
    bool drained = false;
    scene.spawn([](responder& with, bool& done) -> asio::awaitable<void> {
      co_await with.drain();
      done = true;
    }(leaving, drained));
    for (auto state = instance_state::healthy; state != instance_state::draining;) {
      const auto services = co_await scene.caller->list_services();
      state = services.at(0).instances.at(0).state;
    }
    CHECK(co_await code_of(scene.caller->request("leaving")) == errc::no_responders);
    CHECK_FALSE(drained);
    asked.reply("last");
    while (!drained || !said) co_await scene.caller->status();
    CHECK(said->body == "last");
    try {
      co_await leaving.receive();
      FAIL_CHECK("a drained responder receives nothing");
    } catch (const error& why) {
      CHECK(why.code() == errc::closed);
    }
    const auto services = co_await scene.caller->list_services();
    CHECK(services.empty());
  }(on, serving));
}

TEST_CASE("after a broker's restart a responder serves again by itself, as the same instance") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder price = co_await server.serve("price", {.instance = "one", .version = "1.0"});
    scene.spawn(price.run([](const service_request& asked) { return std::string(asked.body()); }));
    co_await scene.caller->request("price", "before");
    scene.restart();
    for (;;) {
      errc failed = errc::ok;
      try {
        const reply said = co_await scene.caller->request("price", "after");
        CHECK(said.body == "after");
        CHECK(said.instance == "one");
      } catch (const error& why) {
        failed = static_cast<errc>(why.code().value());
      }
      if (failed == errc::ok) break;
      REQUIRE((failed == errc::no_responders || failed == errc::connection_lost));
      co_await scene.caller->status();
    }
    const auto services = co_await scene.caller->list_services();
    CHECK(services[0].instances[0].version == "1.0");
    price.close();
  }(on, serving));
  on.until([&] { return on.running == 0; });
}

TEST_CASE("a responder whose instance id is taken over ends, and does not fight") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder old = co_await server.serve("price", {.instance = "one"});
    responder taking = co_await scene.caller->serve("price", {.instance = "one"});
    try {
      co_await old.receive();
      FAIL_CHECK("a replaced responder receives nothing");
    } catch (const error& why) {
      CHECK(why.code() == errc::instance_replaced);
    }
    const auto services = co_await scene.caller->list_services();
    CHECK(services[0].instances.size() == 1);
  }(on, serving));
}

TEST_CASE("what expired while it waited to be received is not given to the program") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder busy = co_await server.serve("busy");
    CHECK(co_await code_of(scene.caller->request("busy", "old", {.timeout = 20ms})) ==
          errc::deadline_exceeded);
    // The responder's deadline is later than the caller's by the time the request took to it.
    const auto surely = std::chrono::steady_clock::now() + 1s;
    while (std::chrono::steady_clock::now() < surely) co_await server.status();
    std::optional<reply> said;
    scene.spawn([](services_scene& of, std::optional<reply>& into) -> asio::awaitable<void> {
      into = co_await of.caller->request("busy", "new");
    }(scene, said));
    service_request asked = co_await busy.receive();
    CHECK(asked.body() == "new");
    asked.reply("");
    while (!said) co_await scene.caller->status();
    const auto services = co_await scene.caller->list_services();
    CHECK(services[0].statistics.late == 1);
  }(on, serving));
}

TEST_CASE("receive() can time out and be cancelled without losing anything") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder patient = co_await server.serve("patient");
    for (int i = 0; i < 3; ++i) {
      try {
        co_await patient.receive({.timeout = 1ms});
        FAIL_CHECK("there is no request yet");
      } catch (const error& why) {
        CHECK(why.code() == errc::deadline_exceeded);
      }
    }
    std::optional<reply> said;
    scene.spawn([](services_scene& of, std::optional<reply>& into) -> asio::awaitable<void> {
      into = co_await of.caller->request("patient");
    }(scene, said));
    service_request asked = co_await patient.receive();
    asked.reply("here");
    while (!said) co_await scene.caller->status();
  }(on, serving));
}

TEST_CASE("what cannot be served is refused when serving begins") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    try {
      responder bad = co_await scene.caller->serve("no/name");
      FAIL_CHECK("the subject is refused");
    } catch (const error& why) {
      CHECK(why.code() == errc::invalid_topic_name);
    }
  }(on));
}

TEST_CASE("a closed client ends its responders") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    client serving = scene.make_client();
    responder price = co_await serving.serve("price");
    serving.close();
    try {
      co_await price.receive();
      FAIL_CHECK("nothing comes any more");
    } catch (const error& why) {
      CHECK(why.code() == errc::closed);
    }
  }(on));
}

}  // namespace
}  // namespace skald::test
