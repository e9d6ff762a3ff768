// Learning what services there are.
#include <array>

#include "tests/system/services/broker_scene.hpp"

namespace skald::test {
namespace {

TEST_CASE("services are listed with instances, metadata and statistics") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    const std::array metadata{header{"zone", "a"}, header{"rack", "7"}};
    responder one = co_await scene.caller->serve(
        "stock", {.instance = "one", .version = "1.2", .metadata = metadata, .window = 5});
    responder two = co_await scene.caller->serve("price", {.instance = "two"});
    const auto all = co_await scene.caller->list_services();
    REQUIRE(all.size() == 2);
    CHECK(all[0].subject == "price");
    CHECK(all[1].subject == "stock");
    const instance_info& is = all[1].instances.at(0);
    CHECK(is.id == "one");
    CHECK(is.version == "1.2");
    CHECK(is.metadata == string_map{{"zone", "a"}, {"rack", "7"}});
    CHECK(is.state == instance_state::healthy);
    CHECK(is.window == 5);
    CHECK(is.since <= std::chrono::system_clock::now());
    const auto some = co_await scene.caller->list_services({.subject = "stock"});
    CHECK(some.size() == 1);
  }(on));
}

TEST_CASE("a service with many instances is listed whole") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    std::vector<responder> all;
    for (int i = 0; i < 400; ++i) all.push_back(co_await scene.caller->serve("crowd"));
    const auto services = co_await scene.caller->list_services();
    REQUIRE(services.size() == 1);
    CHECK(services[0].instances.size() == 400);
  }(on));
}

TEST_CASE("a watch tells of those there are and every change, also after the broker's restart") {
  services_scene on;
  client serving = on.make_client();
  on.run([](services_scene& scene, client& server) -> asio::awaitable<void> {
    responder one = co_await server.serve("price", {.instance = "one"});
    service_watch watch = co_await scene.caller->watch_services({.subject = "price"});
    const service_event there = co_await watch.receive();
    CHECK(there.initial);
    CHECK(there.instance.id == "one");
    {
      responder two = co_await server.serve("price", {.instance = "two"});
      const service_event came = co_await watch.receive();
      CHECK_FALSE(came.initial);
      CHECK(came.instance.id == "two");
    }
    const service_event left = co_await watch.receive();
    CHECK(left.instance.state == instance_state::left);
    CHECK(left.reason == "withdrawn");

    scene.restart();
    service_event back = co_await watch.receive();
    // It may hear of the end before that is its own; and who comes back first, it or the instance, is open.
    while (back.instance.state != instance_state::healthy) back = co_await watch.receive();
    CHECK(back.instance.id == "one");
    watch.close();
    try {
      co_await watch.receive();
      FAIL_CHECK("a closed watch says so");
    } catch (const error& why) {
      CHECK(why.code() == errc::closed);
    }
  }(on, serving));
}

TEST_CASE("a watch tells of draining and of lost connections") {
  services_scene on;
  on.run([](services_scene& scene) -> asio::awaitable<void> {
    service_watch watch = co_await scene.caller->watch_services();
    {
      client serving = scene.make_client();
      responder one = co_await serving.serve("price", {.instance = "one"});
      const service_event came = co_await watch.receive();
      CHECK(came.subject == "price");
      co_await one.drain();
      const service_event draining = co_await watch.receive();
      CHECK(draining.instance.state == instance_state::draining);
      const service_event left = co_await watch.receive();
      CHECK(left.reason == "drained");
      responder two = co_await serving.serve("price", {.instance = "two"});
      co_await watch.receive();
      serving.close();
    }
    const service_event lost = co_await watch.receive();
    CHECK(lost.instance.id == "two");
    CHECK(lost.reason == "connection lost");
  }(on));
}

TEST_CASE("the blocking client watches") {
  broker_scene on;
  const std::string where = on.address();
  blocking_client broker({.address = where});
  blocking_service_watch watch = broker.watch_services();
  CHECK_FALSE(watch.receive_for(1ms));
  const blocking_responder one = broker.serve("price", {.instance = "one"});
  CHECK(watch.receive().instance.id == "one");
  watch.close();
  CHECK_THROWS_AS(watch.receive(), error);
}

}  // namespace
}  // namespace skald::test
