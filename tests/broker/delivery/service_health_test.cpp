// Heartbeats, draining, and instances that are taken over.
#include "tests/broker/delivery/service_scene.hpp"

namespace skald::delivery::test {
namespace {

// Heartbeats are due every second: unhealthy after 3, removed after 10.

TEST_CASE("an instance that misses heartbeats gets no requests until it is heard from again") {
  service_scene on;
  const peer_id one = on.serve("one");
  on.pass(2999ms);
  on.ask(1);
  on.delivered();
  on.pass(1ms);
  CHECK(on.listed().instances.front().state == instance_state::unhealthy);
  on.ask(2);
  CHECK(on.last<effect::unanswered>().code == errc::no_responders);
  on.keep_alive({one});
  on.ask(3);
  CHECK(on.delivered().to == one);
}

TEST_CASE("heartbeats keep an instance healthy for as long as they come") {
  service_scene on;
  const peer_id one = on.serve("one");
  for (int second = 0; second < 100; ++second) on.pass(1s), on.keep_alive({one});
  CHECK(on.listed().instances.front().state == instance_state::healthy);
}

TEST_CASE("a reply is a sign of life") {
  service_scene on;
  const peer_id one = on.serve("one");
  on.ask(1);
  const effect::deliver asked = on.delivered();
  on.pass(5s);
  CHECK(on.listed().instances.front().state == instance_state::unhealthy);
  on.respond(one, asked.correlation);
  CHECK(on.last<effect::done>().to == one);
  CHECK(on.listed().instances.front().state == instance_state::healthy);
}

TEST_CASE("a healthy instance takes over while another is silent") {
  service_scene on;
  on.serve("silent");
  const peer_id lively = on.serve("lively");
  for (int second = 0; second < 3; ++second) on.pass(1s), on.keep_alive({lively});
  for (std::uint64_t request = 1; request <= 4; ++request) {
    on.ask(request);
    CHECK(on.delivered().to == lively);
  }
}

TEST_CASE("an instance silent for too long is removed, and what it had is lost") {
  service_scene on;
  const peer_id one = on.serve("one");
  on.ask(1, 1h);
  on.delivered();
  on.pass(3s);
  on.pass(7s);
  const auto failed = std::ranges::find_if(on.services.effects(), [](const service_effect& is) {
    return std::holds_alternative<effect::unanswered>(is);
  });
  REQUIRE(failed != on.services.effects().end());
  CHECK(std::get<effect::unanswered>(*failed).code == errc::responder_lost);
  const auto ended = on.last<effect::responder_ended>();
  CHECK(ended.to == one);
  CHECK(ended.code == errc::responder_lost);
  CHECK(on.services.list(on.now, {}).services.empty());
}

TEST_CASE("a draining instance gets no new requests, finishes what it has, and leaves") {
  service_scene on;
  const peer_id one = on.serve("one");
  const peer_id two = on.serve("two");
  on.ask(1);
  const effect::deliver asked = on.delivered();
  REQUIRE(asked.to == one);
  on.services.drain(on.now, {one, 50}, 7);
  CHECK(on.nothing());
  for (std::uint64_t request = 2; request <= 5; ++request) {
    on.ask(request);
    CHECK(on.delivered().to == two);
  }
  on.services.respond(on.now, {one, 0}, asked.correlation, {});
  REQUIRE(on.services.effects().size() == 2);
  CHECK(std::holds_alternative<effect::reply>(on.services.effects().front()));
  const auto drained = on.last<effect::done>();
  CHECK(drained.to == one);
  CHECK(drained.request == 50);
  CHECK(on.listed().instances.size() == 1);
}

TEST_CASE("an idle instance drains at once") {
  service_scene on;
  const peer_id one = on.serve("one");
  on.services.drain(on.now, {one, 50}, 7);
  CHECK(on.last<effect::done>().request == 50);
  CHECK(on.services.list(on.now, {}).services.empty());
}

TEST_CASE("what waits fails when the last instance begins to drain") {
  service_scene on;
  const peer_id one = on.serve("one", 1);
  on.ask(1);
  on.ask(2);
  on.all<effect::deliver>();
  on.services.drain(on.now, {one, 50}, 7);
  const auto failed = on.last<effect::unanswered>();
  CHECK(failed.request == 2);
  CHECK(failed.code == errc::no_responders);
}

TEST_CASE("a drain is asked for once, of a responder that exists, and fails if that ends before") {
  service_scene on;
  const peer_id one = on.serve("one");
  on.services.drain(on.now, {one, 50}, 8);
  CHECK(on.last<effect::refused>().code == errc::unknown_responder);
  on.ask(1);
  on.delivered();
  on.services.drain(on.now, {one, 51}, 7);
  on.services.drain(on.now, {one, 52}, 7);
  CHECK(on.last<effect::refused>().code == errc::invalid_request);
  on.services.unserve(on.now, {one, 53}, 7);
  const auto refused = on.all<effect::refused>();
  REQUIRE(refused.size() == 1);
  CHECK(refused.front().request == 51);
}

TEST_CASE("unserve ends a responder, and loses what it had") {
  service_scene on;
  const peer_id one = on.serve("one");
  on.ask(1);
  on.delivered();
  on.services.unserve(on.now, {one, 50}, 7);
  CHECK(std::get<effect::unanswered>(on.services.effects().front()).code == errc::responder_lost);
  CHECK(on.last<effect::done>().request == 50);
  on.services.unserve(on.now, {one, 51}, 7);
  CHECK(on.last<effect::refused>().code == errc::unknown_responder);
}

TEST_CASE("who serves with an instance id that is taken replaces the instance that had it") {
  service_scene on;
  const peer_id old = on.serve("one");
  on.ask(1);
  on.delivered();
  const peer_id again(200);
  on.services.serve(on.now, {again, 1}, service_scene::registration_of("one"));
  const auto& happened = on.services.effects();
  REQUIRE(happened.size() == 3);
  CHECK(std::get<effect::responder_ended>(happened[0]).to == old);
  CHECK(std::get<effect::responder_ended>(happened[0]).code == errc::instance_replaced);
  CHECK(std::get<effect::unanswered>(happened[1]).code == errc::responder_lost);
  CHECK(std::get<effect::serving>(happened[2]).to == again);
  on.services.effects().clear();
  on.services.peer_lost(on.now, old);
  on.ask(2);
  CHECK(on.delivered().to == again);
}

TEST_CASE("registrations that cannot be are refused by what is wrong with them") {
  service_settings limits;
  limits.responders_per_peer_max = 1;
  service_scene on(limits);
  auto what = service_scene::registration_of("with space");
  on.services.serve(on.now, {caller, 1}, what);
  CHECK(on.last<effect::refused>().code == errc::invalid_request);
  what = service_scene::registration_of("one");
  what.metadata = {{"large", std::string(5000, 'x')}};
  on.services.serve(on.now, {caller, 2}, what);
  CHECK(on.last<effect::refused>().code == errc::invalid_request);
  on.services.serve(on.now, {caller, 3}, service_scene::registration_of("one"));
  on.last<effect::serving>();
  on.services.serve(on.now, {caller, 4}, service_scene::registration_of("two"));
  CHECK(on.last<effect::refused>().code == errc::invalid_request);
  what = service_scene::registration_of("two");
  what.responder = 8;
  on.services.serve(on.now, {caller, 5}, what);
  CHECK(on.last<effect::refused>().code == errc::overloaded);
}

TEST_CASE("what a responder leaves open the broker chooses, within limits") {
  service_scene on;
  registration what = service_scene::registration_of("", 0);
  what.heartbeat = 0s;
  on.services.serve(on.now, {caller, 1}, what);
  const auto serving = on.last<effect::serving>();
  CHECK(serving.instance->starts_with("instance-"));
  CHECK(serving.window == service_settings().window_default);
  CHECK(serving.heartbeat == service_settings().heartbeat_default);
  what.window = ~0u;
  what.heartbeat = 1ms;
  on.services.serve(on.now, {other_caller, 1}, what);
  const auto limited = on.last<effect::serving>();
  CHECK(*limited.instance != *serving.instance);
  CHECK(limited.window == service_settings().window_max);
  CHECK(limited.heartbeat == service_settings().heartbeat_min);
}

}  // namespace
}  // namespace skald::delivery::test
