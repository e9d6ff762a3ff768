// Asking: what the caller gets, in every case.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <thread>

#include "tests/system/services/broker_scene.hpp"

namespace skald::test {
namespace {

// Replies with the request's body behind its own name.
asio::awaitable<void> answer(responder& with, std::size_t requests) {
  for (std::size_t i = 0; i < requests; ++i) {
    service_request asked = co_await with.receive();
    const std::string body = with.instance() + ":" + std::string(asked.body());
    asked.reply(body);
  }
}

TEST_CASE("a request gets its reply, with headers both ways") {
  for (const unsigned threads : {1u, 2u}) {
    CAPTURE(threads);
    services_scene on(threads);
    client serving = on.make_client();
    on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
      responder price = co_await server.serve("price", {.instance = "one"});
      scene.spawn([](responder& with) -> asio::awaitable<void> {
        service_request asked = co_await with.receive();
        CHECK(asked.subject() == "price");
        CHECK(asked.body() == "sku 7");
        CHECK(asked.header("trace") == "7f");
        CHECK_FALSE(asked.header("other"));
        CHECK(asked.time_left() > 3s);
        CHECK(asked.time_left() <= 5s);
        const std::array headers{header{"currency", "EUR"}};
        asked.reply("9.50", {.headers = headers});
      }(price));
      const std::array headers{header{"trace", "7f"}};
      const reply said =
          co_await scene.caller->request("price", "sku 7", {.headers = headers, .timeout = 5s});
      CHECK(said.body == "9.50");
      CHECK(said.instance == "one");
      CHECK(said.headers == string_map{{"currency", "EUR"}});
    }(on, serving));
  }
}

TEST_CASE("bodies may be anything up to the limit, and over it are refused by name") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    responder echo = co_await scene.caller->serve("echo");
    scene.spawn([](responder& with) -> asio::awaitable<void> {
      for (int i = 0; i < 4; ++i) {
        service_request asked = co_await with.receive();
        std::string body(asked.body());
        if (body == "over the limit") body.assign((1u << 20) + 1, 'x');
        if (body == "over any limit") body.assign(20u << 20, 'x');
        asked.reply(body);
      }
    }(echo));
    std::string body(1u << 20, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31);
    const reply large = co_await scene.caller->request("echo", body);
    CHECK(large.body == body);
    const reply empty = co_await scene.caller->request("echo");
    CHECK(empty.body.empty());
    CHECK(co_await code_of(scene.caller->request("echo", "over the limit")) == errc::payload_too_large);
    CHECK(co_await code_of(scene.caller->request("echo", "over any limit")) == errc::responder_failed);
    body += 'x';
    CHECK(co_await code_of(scene.caller->request("echo", body)) == errc::payload_too_large);
    body.resize(20u << 20);
    CHECK(co_await code_of(scene.caller->request("echo", body)) == errc::frame_too_large);
  }(on));
}

TEST_CASE("more headers than a request may have are its caller's mistake") {
  services_scene on;
  const std::vector<header> many(129, header{"name", "value"});
  CHECK_THROWS_AS(static_cast<void>(on.caller->request("price", "", {.headers = many})), error);
}

TEST_CASE("without responders a request fails at once, not after its timeout") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    CHECK(co_await code_of(scene.caller->request("nobody", "", {.timeout = 10min})) == errc::no_responders);
    CHECK(co_await code_of(scene.caller->request("no/body")) == errc::invalid_topic_name);
  }(on));
}

TEST_CASE("a responder that never answers lets the request time out, and its late reply is counted") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder slow = co_await server.serve("slow");
    std::string message;
    service_request kept;
    scene.spawn([](responder& with, service_request& into) -> asio::awaitable<void> {
      into = co_await with.receive();
    }(slow, kept));
    try {
      // Long enough for the broker, which gives up a little before the client, to be heard on a busy machine.
      co_await scene.caller->request("slow", "", {.timeout = 2s});
    } catch (const error& why) {
      CHECK(why.code() == errc::deadline_exceeded);
      message = why.what();
    }
    CHECK(message.find(slow.instance()) != std::string::npos);
    // The responder hears of it by its own connection, maybe a little later than the caller.
    while (!kept.cancelled()) co_await server.list_services();
    kept.reply("too late");
    co_await server.list_services();  // the reply has gone before
    const auto services = co_await scene.caller->list_services();
    REQUIRE(services.size() == 1);
    CHECK(services[0].statistics.expired == 1);
    CHECK(services[0].statistics.late == 1);
    CHECK(services[0].statistics.in_flight == 0);
  }(on, serving));
}

TEST_CASE("a responder's failure is an error with its code and message") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    responder broken = co_await scene.caller->serve("broken", {.instance = "one"});
    scene.spawn([](responder& with) -> asio::awaitable<void> {
      service_request asked = co_await with.receive();
      asked.fail(17, "no such sku");
    }(broken));
    bool thrown = false;
    try {
      co_await scene.caller->request("broken");
    } catch (const responder_error& why) {
      thrown = true;
      CHECK(why.code() == errc::responder_failed);
      CHECK(why.responder_code() == 17);
      CHECK(why.message() == "no such sku");
      CHECK(why.instance() == "one");
    }
    CHECK(thrown);
  }(on));
}

TEST_CASE("a request whose responder goes away is lost at once") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    auto serving = std::make_unique<client>(scene.make_client());
    responder dying = co_await serving->serve("dying");
    scene.spawn([](responder& with, client& server) -> asio::awaitable<void> {
      service_request asked = co_await with.receive();
      server.close();
    }(dying, *serving));
    CHECK(co_await code_of(scene.caller->request("dying", "", {.timeout = 10min})) == errc::responder_lost);
  }(on));
}

TEST_CASE("a cancelled request is taken back, which its responder sees") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder slow = co_await server.serve("slow");
    asio::cancellation_signal stop;
    std::optional<errc> outcome;
    asio::co_spawn(
        scene.io,
        [](services_scene& of, std::optional<errc>& into) -> asio::awaitable<void> {
          into = co_await code_of(of.caller->request("slow", "", {.timeout = 10min}));
        }(scene, outcome),
        asio::bind_cancellation_slot(stop.slot(), asio::detached));
    const service_request asked = co_await slow.receive();
    CHECK_FALSE(asked.cancelled());
    stop.emit(asio::cancellation_type::terminal);
    while (!asked.cancelled()) co_await server.status();
    const auto services = co_await scene.caller->list_services();
    CHECK(services[0].statistics.cancelled == 1);
    CHECK(outcome == errc::cancelled);
  }(on, serving));
}

TEST_CASE("all instances are asked, and each answer says whose it is") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    responder one = co_await scene.caller->serve("price", {.instance = "one"});
    responder two = co_await scene.caller->serve("price", {.instance = "two"});
    responder silent = co_await scene.caller->serve("price", {.instance = "silent"});
    scene.spawn(answer(one, 1));
    scene.spawn([](responder& with) -> asio::awaitable<void> {
      service_request asked = co_await with.receive();
      asked.fail(3, "closed on Sundays");
    }(two));
    auto all = co_await scene.caller->request_all("price", "7", {.timeout = 2s});
    std::ranges::sort(all, {}, &instance_reply::instance);
    REQUIRE(all.size() == 3);
    CHECK(all[0].instance == "one");
    CHECK(all[0].code == errc::ok);
    CHECK(all[0].body == "one:7");
    CHECK(all[1].instance == "silent");
    CHECK(all[1].code == errc::deadline_exceeded);
    CHECK(all[2].code == errc::responder_failed);
    CHECK(all[2].responder_code == 3);
    CHECK(all[2].message == "closed on Sundays");
  }(on));
}

TEST_CASE("asking all is over once there are as many replies as were wanted") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    responder one = co_await scene.caller->serve("price", {.instance = "one"});
    responder silent = co_await scene.caller->serve("price", {.instance = "silent"});
    scene.spawn(answer(one, 1));
    const auto all = co_await scene.caller->request_all("price", "7", {.replies_max = 1, .timeout = 10min});
    REQUIRE(all.size() == 1);
    CHECK(all[0].instance == "one");
    const auto services = co_await scene.caller->list_services();
    CHECK(services[0].statistics.replies == 1);
  }(on));
}

TEST_CASE("a ping is answered without the handler") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    responder idle = co_await scene.caller->serve("price", {.instance = "idle"});
    const auto all = co_await scene.caller->request_all("price", "", {.ping = true});
    REQUIRE(all.size() == 1);
    CHECK(all[0].code == errc::ok);
    CHECK(all[0].took > 0us);
    const auto services = co_await scene.caller->list_services();
    CHECK(services[0].statistics.requests == 0);
  }(on));
}

TEST_CASE("requests share the instances evenly") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    std::vector<responder> all;
    for (int i = 0; i < 4; ++i) all.push_back(co_await scene.caller->serve("price"));
    for (responder& one : all) scene.spawn(answer(one, 25));
    std::map<std::string, int> answered;
    for (int i = 0; i < 100; ++i) {
      const reply said = co_await scene.caller->request("price");
      ++answered[said.instance];
    }
    REQUIRE(answered.size() == 4);
    for (const auto& [instance, count] : answered) CHECK(count == 25);
  }(on));
}

TEST_CASE("a request under way when the broker goes may have been done, and says so") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder slow = co_await server.serve("slow");
    std::optional<errc> outcome;
    scene.spawn([](services_scene& of, std::optional<errc>& into) -> asio::awaitable<void> {
      into = co_await code_of(of.caller->request("slow", "", {.timeout = 10min}));
    }(scene, outcome));
    const service_request asked = co_await slow.receive();
    scene.restart();
    co_await scene.caller->list_services();
    REQUIRE(outcome.has_value());
    CHECK((outcome == errc::shutting_down || outcome == errc::connection_lost ||
           outcome == errc::responder_lost));
    while (!asked.cancelled()) co_await server.list_services();
  }(on, serving));
}

TEST_CASE("the blocking client asks and answers from any thread") {
  broker_scene on;
  const std::string where = on.address();
  blocking_client broker({.address = where});
  blocking_responder upper = broker.serve("upper", {.version = "1.0"});
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      upper.run([](const service_request& asked) {
        if (asked.body() == "?") throw responder_error(9, "no question", "");
        std::string body(asked.body());
        for (char& c : body) c = static_cast<char>(std::toupper(c));
        return body;
      });
    });
  }
  CHECK(broker.request("upper", "abc").body == "ABC");
  CHECK(broker.request_all("upper", "x").front().body == "X");
  CHECK_THROWS_WITH_AS(broker.request("upper", "?"), "no question", responder_error);
  CHECK(broker.list_services({.subject = "upper"}).front().instances.front().version == "1.0");
  upper.drain();
  for (std::thread& one : workers) one.join();
  CHECK_THROWS_AS(broker.request("upper", "abc"), error);
}

}  // namespace
}  // namespace skald::test
