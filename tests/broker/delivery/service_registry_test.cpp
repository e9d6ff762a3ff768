// Which instance gets a request, and what happens when none can take it.
#include "tests/broker/delivery/service_scene.hpp"

namespace skald::delivery::test {
namespace {

TEST_CASE("a request is routed to the responder and the reply back, bytes shared") {
  service_scene on;
  const peer_id responder = on.serve("one");
  const slice sent = bytes_of("sku 7");
  on.services.request(on.now, {caller, 5}, "price", 10s, {{{"trace", "7f"}}, sent});
  const effect::deliver asked = on.delivered();
  CHECK(asked.to == responder);
  CHECK(asked.responder == 7);
  CHECK(asked.what.payload.data() == sent.data());
  CHECK(asked.what.headers == properties{{"trace", "7f"}});

  const slice answered = bytes_of("9.50");
  on.services.respond(on.now, {responder, 0}, asked.correlation, {{{}, answered}, false, 0, ""});
  REQUIRE(on.services.effects().size() == 1);
  const auto reply = on.last<effect::reply>();
  CHECK(reply.to == caller);
  CHECK(reply.request == 5);
  CHECK(*reply.instance == "one");
  CHECK(reply.what.content.payload.data() == answered.data());
  CHECK(on.services.calls() == 0);
  CHECK(on.services.body_bytes() == 0);
}

TEST_CASE("without responders a request fails at once") {
  service_scene on;
  on.ask(5);
  CHECK(on.last<effect::unanswered>().code == errc::no_responders);
}

TEST_CASE("a subject that cannot be is named as such") {
  service_scene on;
  on.services.request(on.now, {caller, 5}, "no/name", 10s, {});
  CHECK(on.last<effect::unanswered>().code == errc::invalid_topic_name);
  on.services.serve(on.now, {caller, 6}, service_scene::registration_of("one", 1, "no/name"));
  CHECK(on.last<effect::refused>().code == errc::invalid_topic_name);
}

TEST_CASE("the instance with the fewest requests in flight is chosen") {
  service_scene on;
  const peer_id one = on.serve("one");
  const peer_id two = on.serve("two");
  on.ask(1);
  const effect::deliver first = on.delivered();
  on.ask(2);
  const effect::deliver second = on.delivered();
  CHECK(first.to == one);
  CHECK(second.to == two);
  on.respond(two, second.correlation);
  on.all<effect::reply>();
  on.ask(3);
  CHECK(on.delivered().to == two);
}

TEST_CASE("of equally busy instances the one not used for longest is chosen") {
  service_scene on;
  const std::vector<peer_id> in_order{on.serve("a"), on.serve("b"), on.serve("c")};
  for (std::uint64_t i = 0; i < 9; ++i) {
    on.ask(i + 1);
    const effect::deliver asked = on.delivered();
    CHECK(asked.to == in_order[i % 3]);
    on.respond(asked.to, asked.correlation);
    on.all<effect::reply>();
  }
}

TEST_CASE("an instance gets no more requests than its window; the others wait in order") {
  service_scene on;
  const peer_id one = on.serve("one", 2);
  for (std::uint64_t request = 1; request <= 4; ++request) on.ask(request);
  const auto taken = on.all<effect::deliver>();
  REQUIRE(taken.size() == 2);
  on.respond(one, taken[1].correlation);
  CHECK(text_of(on.delivered().what) == "sku 7");
  CHECK(on.listed().statistics.waiting == 1);
  CHECK(on.listed().statistics.in_flight == 2);
}

TEST_CASE("a new instance takes what waits") {
  service_scene on;
  on.serve("one", 1);
  on.ask(1);
  on.ask(2);
  on.all<effect::deliver>();
  const peer_id two(200);
  on.services.serve(on.now, {two, 1}, service_scene::registration_of("two"));
  CHECK(on.delivered().to == two);
}

TEST_CASE("beyond what may wait a request is refused as overloaded") {
  service_settings limits;
  limits.waiting_max = 2;
  service_scene on(limits);
  on.serve("one", 1);
  for (std::uint64_t request = 1; request <= 3; ++request) on.ask(request);
  CHECK(on.all<effect::unanswered>().empty());
  on.ask(4);
  CHECK(on.last<effect::unanswered>().code == errc::overloaded);
}

TEST_CASE("the bodies of all requests together have a budget, which replies give back") {
  service_settings limits;
  limits.body_bytes_max = 100;
  service_scene on(limits);
  const peer_id one = on.serve("one");
  on.ask(1, 10s, std::string(60, 'x'));
  const effect::deliver first = on.delivered();
  on.ask(2, 10s, std::string(60, 'x'));
  CHECK(on.last<effect::unanswered>().code == errc::overloaded);
  on.respond(one, first.correlation);
  on.all<effect::reply>();
  on.ask(3, 10s, std::string(60, 'x'));
  on.delivered();
}

TEST_CASE("an instance with many bytes in flight gets no more, others do") {
  service_settings limits;
  limits.instance_bytes_max = 100;
  service_scene on(limits);
  const peer_id one = on.serve("one");
  on.ask(1, 10s, std::string(150, 'x'));
  CHECK(on.delivered().to == one);
  on.ask(2);
  CHECK(on.all<effect::deliver>().empty());
  const peer_id two(200);
  on.services.serve(on.now, {two, 1}, service_scene::registration_of("two"));
  CHECK(on.delivered().to == two);
}

TEST_CASE("a request over the limit is refused") {
  service_settings limits;
  limits.payload_bytes_max = 10;
  service_scene on(limits);
  on.serve("one");
  on.ask(1, 10s, std::string(11, 'x'));
  CHECK(on.last<effect::unanswered>().code == errc::payload_too_large);
}

TEST_CASE("a connection may have so many requests in flight") {
  service_settings limits;
  limits.requests_per_peer_max = 2;
  service_scene on(limits);
  on.serve("one");
  on.ask(1);
  on.ask(2);
  on.ask(3);
  CHECK(on.last<effect::unanswered>().code == errc::overloaded);
  on.ask(3, 10s, "", other_caller);
  on.delivered();
}

TEST_CASE("the id of an unanswered request cannot be used again") {
  service_scene on;
  on.serve("one");
  on.ask(1);
  on.delivered();
  on.ask(1);
  CHECK(on.last<effect::unanswered>().code == errc::invalid_request);
}

TEST_CASE("the time that is left travels with a request that had to wait") {
  service_scene on;
  const peer_id one = on.serve("one", 1);
  on.ask(1, 10s);
  const effect::deliver first = on.delivered();
  CHECK(first.left == 10s);
  on.ask(2, 10s);
  on.pass(2500ms);
  on.respond(one, first.correlation);
  CHECK(on.delivered().left == 7500ms);
}

TEST_CASE("a deadline has a default and a limit") {
  service_settings limits;
  limits.timeout_default = 3s;
  limits.timeout_max = 20s;
  service_scene on(limits);
  on.serve("one");
  on.ask(1, 0s);
  CHECK(on.delivered().left == 3s);
  on.ask(2, 1h);
  CHECK(on.delivered().left == 20s);
}

TEST_CASE("ten thousand requests in flight are each answered once, whatever the order") {
  service_scene on;
  const std::vector<peer_id> responders{on.serve("a", 4000), on.serve("b", 4000), on.serve("c", 4000)};
  constexpr std::uint64_t count = 10'000;
  for (std::uint64_t request = 1; request <= count; ++request) on.ask(request);
  auto asked = on.all<effect::deliver>();
  REQUIRE(asked.size() == count);
  std::ranges::sort(asked, [](const auto& left, const auto& right) {
    return left.correlation.value() * 7919 % 10'007 < right.correlation.value() * 7919 % 10'007;
  });
  for (const effect::deliver& one : asked) {
    on.services.respond(on.now, {one.to, 0}, one.correlation, {{{}, one.what.payload}, false, 0, ""});
  }
  std::vector<std::uint64_t> answered;
  for (const effect::reply& one : on.all<effect::reply>()) answered.push_back(one.request);
  std::ranges::sort(answered);
  REQUIRE(answered.size() == count);
  CHECK(std::ranges::adjacent_find(answered) == answered.end());
  CHECK(on.services.calls() == 0);
  CHECK(on.services.body_bytes() == 0);
}

}  // namespace
}  // namespace skald::delivery::test
