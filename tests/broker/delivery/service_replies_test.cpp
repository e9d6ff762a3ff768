// Replies that are late, twice, another's or failures; deadlines, cancellation, lost responders and callers.
#include "tests/broker/delivery/service_scene.hpp"

namespace skald::delivery::test {
namespace {

struct asked_scene : service_scene {
  explicit asked_scene(service_settings limits = {}) : service_scene(limits) {
    heartbeat = 1h;
    responder = serve("one", 1);
    ask(5, 10s);
    asked = delivered();
  }
  peer_id responder;
  effect::deliver asked;
};

TEST_CASE("a request that is not answered in time fails, naming the instance") {
  asked_scene on;
  on.pass(9999ms);
  CHECK(on.all<effect::unanswered>().empty());
  on.pass(1ms);
  const auto failed = on.last<effect::unanswered>();
  CHECK(failed.code == errc::deadline_exceeded);
  CHECK(failed.why.find("'one'") != std::string::npos);
  CHECK(on.listed().statistics.expired == 1);
}

TEST_CASE("a request that waits for an instance expires as well, and is never delivered") {
  asked_scene on;
  on.ask(6, 1s);
  on.pass(1s);
  CHECK(on.last<effect::unanswered>().request == 6);
  on.respond(on.responder, on.asked.correlation);
  CHECK(on.all<effect::deliver>().empty());
  CHECK(on.services.calls() == 0);
}

TEST_CASE("what waits past its deadline is not delivered, even if the timer has not fired yet") {
  asked_scene on;
  on.ask(6, 1s);
  on.now += 2s;
  on.respond(on.responder, on.asked.correlation);
  CHECK(on.last<effect::unanswered>().code == errc::deadline_exceeded);
}

TEST_CASE("a late reply is dropped, counted, and its sender told") {
  asked_scene on;
  on.pass(10s);
  on.all<effect::unanswered>();
  on.respond(on.responder, on.asked.correlation);
  REQUIRE(on.services.effects().size() == 1);
  CHECK(on.last<effect::refused>().code == errc::unknown_request);
  CHECK(on.listed().statistics.late == 1);
  CHECK(on.listed().instances.front().statistics.late == 1);
  CHECK(on.services.unknown_replies() == 0);
}

TEST_CASE("an expired request keeps its place with the responder until that has answered") {
  asked_scene on;
  on.pass(10s);
  on.ask(6);
  CHECK(on.all<effect::deliver>().empty());
  on.respond(on.responder, on.asked.correlation);
  CHECK(on.delivered().to == on.responder);
}

TEST_CASE("a responder that never answers is tried again half a minute after the deadline") {
  asked_scene on;
  on.ask(6, 50s);
  on.pass(10s);
  on.pass(29'999ms);
  CHECK(on.all<effect::deliver>().empty());
  on.pass(1ms);
  CHECK(on.delivered().to == on.responder);
}

TEST_CASE("a second reply is unknown and harms nobody") {
  asked_scene on;
  on.respond(on.responder, on.asked.correlation);
  on.all<effect::reply>();
  on.respond(on.responder, on.asked.correlation);
  REQUIRE(on.services.effects().size() == 1);
  CHECK(on.last<effect::refused>().code == errc::unknown_request);
  CHECK(on.services.unknown_replies() == 1);
}

TEST_CASE("a reply to another's request is unknown, and the request goes on") {
  asked_scene on;
  const peer_id stranger = on.serve("two");
  on.respond(stranger, on.asked.correlation);
  CHECK(on.last<effect::refused>().code == errc::unknown_request);
  on.respond(on.responder, on.asked.correlation);
  CHECK(on.last<effect::done>().to == on.responder);
}

TEST_CASE("a reply to nobody, without an id, is only counted") {
  asked_scene on;
  on.services.respond(on.now, {on.responder, 0}, correlation_id(12'345), {});
  CHECK(on.nothing());
  CHECK(on.services.unknown_replies() == 1);
}

TEST_CASE("a correlation that waits is nobody's to answer") {
  asked_scene on;
  on.ask(6);
  on.respond(on.responder, correlation_id(on.asked.correlation.value() + 1));
  CHECK(on.last<effect::refused>().code == errc::unknown_request);
}

TEST_CASE("a responder may say that it failed, with a code and message of its own") {
  asked_scene on;
  on.services.respond(on.now, {on.responder, 0}, on.asked.correlation, {{}, true, 17, "no such sku"});
  const auto reply = on.last<effect::reply>();
  CHECK(reply.what.failed);
  CHECK(reply.what.code == 17);
  CHECK(reply.what.message == "no such sku");
  CHECK(on.listed().statistics.failed == 1);
}

TEST_CASE("a reply over the limit fails the request and is refused") {
  service_settings limits;
  limits.payload_bytes_max = 10;
  asked_scene on(limits);
  on.services.respond(on.now, {on.responder, 9}, on.asked.correlation,
                      {{{}, bytes_of("eleven bytes")}, false, 0, ""});
  CHECK(std::get<effect::unanswered>(on.services.effects().front()).code == errc::payload_too_large);
  CHECK(on.last<effect::refused>().code == errc::payload_too_large);
}

TEST_CASE("requests of a responder whose connection ends are lost at once") {
  asked_scene on;
  on.services.peer_lost(on.now, on.responder);
  const auto failed = on.last<effect::unanswered>();
  CHECK(failed.code == errc::responder_lost);
  CHECK(failed.request == 5);
  CHECK(on.services.list(on.now, {}).services.empty());
  on.ask(6);
  CHECK(on.last<effect::unanswered>().code == errc::no_responders);
}

TEST_CASE("what waits fails when the last responder goes") {
  asked_scene on;
  on.ask(6);
  on.services.peer_lost(on.now, on.responder);
  const auto failed = on.all<effect::unanswered>();
  REQUIRE(failed.size() == 2);
  CHECK(failed[1].request == 6);
  CHECK(failed[1].code == errc::no_responders);
  CHECK(on.services.calls() == 0);
  CHECK(on.services.body_bytes() == 0);
}

TEST_CASE("a cancelled request gets no answer, and its responder is told") {
  asked_scene on;
  on.services.cancel(on.now, {caller, 5});
  REQUIRE(on.services.effects().size() == 1);
  const auto told = on.last<effect::cancel>();
  CHECK(told.to == on.responder);
  CHECK(told.correlation == on.asked.correlation);
  on.pass(10s);
  CHECK(on.all<effect::unanswered>().empty());
  CHECK(on.listed().statistics.cancelled == 1);
}

TEST_CASE("a request that waits can be cancelled") {
  asked_scene on;
  on.ask(6);
  on.services.cancel(on.now, {caller, 6});
  on.respond(on.responder, on.asked.correlation);
  CHECK(on.all<effect::deliver>().empty());
  CHECK(on.listed().statistics.waiting == 0);
}

TEST_CASE("only the caller can cancel its request, and only while it is not answered") {
  asked_scene on;
  on.services.cancel(on.now, {other_caller, 5});
  CHECK(on.nothing());
  on.respond(on.responder, on.asked.correlation);
  on.all<effect::reply>();
  on.services.cancel(on.now, {caller, 5});
  CHECK(on.nothing());
}

TEST_CASE("a caller that goes cancels what it asked") {
  asked_scene on;
  on.services.peer_lost(on.now, caller);
  CHECK(on.last<effect::cancel>().correlation == on.asked.correlation);
  on.respond(on.responder, on.asked.correlation);
  CHECK(on.all<effect::reply>().empty());
}

TEST_CASE("timers of answered requests do not pile up") {
  asked_scene on;
  on.respond(on.responder, on.asked.correlation);
  for (std::uint64_t request = 10; request < 2000; ++request) {
    on.now += 1ms;
    on.ask(request, 60s);
    on.respond(on.responder, on.last<effect::deliver>().correlation);
  }
  on.services.effects().clear();
  int wake_ups = 0;
  for (; on.services.next_wake() < on.now + 61s; ++wake_ups) {
    on.now = *on.services.next_wake();
    on.services.advance(on.now);
  }
  CHECK(wake_ups < 100);
}

}  // namespace
}  // namespace skald::delivery::test
