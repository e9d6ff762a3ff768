// Asking all instances of a service.
#include "tests/broker/delivery/service_scene.hpp"

namespace skald::delivery::test {
namespace {

struct three_instances : service_scene {
  explicit three_instances(service_settings limits = {}, std::uint32_t window = 16)
      : service_scene(limits), peers{serve("a", window), serve("b", window), serve("c", window)} {}
  std::vector<effect::deliver> asked(service_registry::gather_options options = {}) {
    ask_all(5, options);
    return all<effect::deliver>();
  }
  std::vector<peer_id> peers;
};

TEST_CASE("every instance is asked, each reply passed on, and the end said after the last") {
  three_instances on;
  const auto asked = on.asked();
  REQUIRE(asked.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(on.services.effects().empty());
    on.services.respond(on.now, {asked[i].to, 0}, asked[i].correlation, {});
    const auto& reply = std::get<effect::partial_reply>(on.services.effects().front());
    CHECK(reply.request == 5);
    CHECK(reply.error == errc::ok);
    if (i < 2) on.services.effects().clear();
  }
  const auto end = on.last<effect::gathered>();
  CHECK(end.asked == 3);
  CHECK(end.replied == 3);
  CHECK(on.services.calls() == 0);
}

TEST_CASE("after as many replies as were wanted the others are cancelled, and late") {
  three_instances on;
  const auto asked = on.asked({.replies_max = 2});
  on.services.respond(on.now, {asked[0].to, 0}, asked[0].correlation, {});
  CHECK(on.all<effect::gathered>().empty());
  on.services.respond(on.now, {asked[1].to, 0}, asked[1].correlation, {});
  const auto cancelled = std::ranges::find_if(on.services.effects(), [](const service_effect& is) {
    return std::holds_alternative<effect::cancel>(is);
  });
  REQUIRE(cancelled != on.services.effects().end());
  CHECK(std::get<effect::cancel>(*cancelled).to == asked[2].to);
  CHECK(on.last<effect::gathered>().replied == 2);
  on.services.respond(on.now, {asked[2].to, 0}, asked[2].correlation, {});
  CHECK(on.nothing());
  CHECK(on.listed().statistics.late == 1);
}

TEST_CASE("failures, lost instances and silence are told apart") {
  three_instances on;
  const auto asked = on.asked();
  on.services.respond(on.now, {asked[0].to, 0}, asked[0].correlation, {{}, true, 3, "cannot"});
  const auto failed = on.last<effect::partial_reply>();
  CHECK(failed.error == errc::responder_failed);
  CHECK(failed.what.code == 3);
  on.services.peer_lost(on.now, asked[1].to);
  const auto lost = on.last<effect::partial_reply>();
  CHECK(lost.error == errc::responder_lost);
  CHECK(*lost.instance == "b");
  on.now += 9s;
  on.keep_alive({asked[2].to});
  on.services.effects().clear();
  on.pass(1s);
  const auto& late = std::get<effect::partial_reply>(on.services.effects().front());
  CHECK(late.error == errc::deadline_exceeded);
  CHECK(*late.instance == "c");
  const auto end = on.last<effect::gathered>();
  CHECK(end.asked == 3);
  CHECK(end.replied == 0);
}

TEST_CASE("an instance with a full window is not waited for") {
  three_instances on({}, 1);
  on.ask(1);
  on.delivered();
  on.ask_all(5);
  const auto& happened = on.services.effects();
  const auto refused = std::ranges::find_if(
      happened, [](const service_effect& is) { return std::holds_alternative<effect::partial_reply>(is); });
  REQUIRE(refused != happened.end());
  CHECK(std::get<effect::partial_reply>(*refused).error == errc::overloaded);
  CHECK(*std::get<effect::partial_reply>(*refused).instance == "a");
  CHECK(on.all<effect::deliver>().size() == 2);
}

TEST_CASE("when no instance can take the question the end follows at once") {
  service_scene on;
  on.serve("a", 1);
  on.ask(1);
  on.delivered();
  on.ask_all(5);
  CHECK(on.last<effect::gathered>().asked == 1);
}

TEST_CASE("without responders asking all fails like asking one") {
  service_scene on;
  on.ask_all(5);
  CHECK(on.last<effect::unanswered>().code == errc::no_responders);
}

TEST_CASE("asking all can be cancelled, which every responder is told") {
  three_instances on;
  on.asked();
  on.services.cancel(on.now, {caller, 5});
  CHECK(on.all<effect::cancel>().size() == 3);
  on.pass(10s);
  CHECK(on.all<effect::gathered>().empty());
}

TEST_CASE("a caller that goes while asking all cancels it") {
  three_instances on;
  const auto asked = on.asked();
  on.services.peer_lost(on.now, caller);
  CHECK(on.all<effect::cancel>().size() == 3);
  on.services.respond(on.now, {asked[0].to, 0}, asked[0].correlation, {});
  CHECK(on.nothing());
}

TEST_CASE("an instance that answers no pings is asked so many and no more") {
  service_settings limits;
  limits.pings_per_instance_max = 2;
  service_scene on(limits);
  const peer_id responder = on.serve("one");
  const auto ping = [&](std::uint64_t request) {
    on.ask_all(request, {.ping = true}, 100ms);
    return on.all<effect::deliver>();
  };
  const auto first = ping(1);
  REQUIRE(first.size() == 1);
  CHECK(ping(2).size() == 1);
  on.pass(200ms);  // nobody waits for the first two any more, and still they are with the instance
  on.services.effects().clear();
  on.ask_all(3, {.ping = true});
  CHECK(on.last<effect::partial_reply>().error == errc::overloaded);
  on.services.respond(on.now, {responder, 0}, first[0].correlation, {});
  CHECK(ping(4).size() == 1);
}

TEST_CASE("a ping reaches instances in any state and counts as nothing") {
  three_instances on({}, 1);
  on.ask(1);
  const effect::deliver busy = on.delivered();
  on.services.drain(on.now, {busy.to, 50}, 7);
  on.pass(2s);
  on.keep_alive({on.peers[1]});
  on.pass(1s);
  on.services.effects().clear();
  const auto asked = on.asked({.ping = true});
  REQUIRE(asked.size() == 3);
  for (const effect::deliver& one : asked) {
    CHECK(one.ping);
    on.services.respond(on.now, {one.to, 0}, one.correlation, {});
  }
  CHECK(on.last<effect::gathered>().replied == 3);
  CHECK(on.listed().statistics.requests == 1);
  CHECK(on.listed().statistics.replies == 0);
}

}  // namespace
}  // namespace skald::delivery::test
