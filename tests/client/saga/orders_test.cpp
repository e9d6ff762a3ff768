// What operators may order.
#include <doctest/doctest.h>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

namespace {

using order_of = ordered::order;

struct orders_fixture {
  scenario play{order_steps().build(), "o-1"};
  // Parked behind the pivot: nobody ships.
  void park_forward() {
    play.start(order{.total = 50}).reply("credit");
    play.answer("ship", true, "", "").pass(1s).answer("ship", true, "", "").expect(phase::parked);
  }
  // Parked on the way back: the credit is not released.
  void park_backward() {
    play.start(order{.total = 500}).reply("credit").answer("stock", true, "", "");
    play.answer("credit", true, "", "").pass(1s).answer("credit", true, "", "").expect(phase::parked);
  }
};

}  // namespace

TEST_CASE_FIXTURE(orders_fixture, "retry tries what failed anew, with all its attempts") {
  park_forward();
  play.order(order_of::retry).expect(phase::running);
  CHECK(play.expect_command("ship").id == "o-1/ship#3");
  play.reply("ship").expect(phase::completed);
}

TEST_CASE("retry asks again whether a step is needed of which that could not be told") {
  bool is_known = false;
  bool is_needed = false;
  scenario play(saga<order>("ask")
                    .pivot("decide")
                    .local([](order&) {})
                    .step("ship")
                    .when([&](const order&) {
                      if (!is_known) throw std::runtime_error("no such table");
                      return is_needed;
                    })
                    .call<ship>("warehouse", of_total<ship>)
                    .build());
  play.start(order{}).expect(phase::parked);
  CHECK(play.state().why == "'ship': cannot tell whether it is needed: no such table");
  play.order(order_of::retry).expect(phase::parked);
  is_known = true;
  SUBCASE("it is not") {
    play.order(order_of::retry).expect(phase::completed);
    CHECK(play.commands().empty());
  }
  SUBCASE("it is") {
    is_needed = true;
    play.order(order_of::retry).reply("ship").expect(phase::completed);
  }
}

TEST_CASE_FIXTURE(orders_fixture, "retry sends a command of unknown outcome with its old id") {
  play.start(order{.total = 50}).reply("credit").pass(30s).pass(1s).pass(30s).expect(phase::parked);
  play.order(order_of::retry);
  CHECK(play.expect_command("ship").id == "o-1/ship");
  CHECK(play.alarms() == 1);
}

TEST_CASE_FIXTURE(orders_fixture, "retry of a compensation goes on with what was left to undo") {
  park_backward();
  play.order(order_of::retry).expect(phase::compensating);
  play.reply("credit").expect(phase::compensated);
  play.expect("create", progress::undone);
}

TEST_CASE_FIXTURE(orders_fixture, "retry does not wait for what pauses") {
  play.start(order{.total = 50}).fail("credit", busy{}).order(order_of::retry);
  play.expect("credit", progress::acting);
  CHECK(play.commands().size() == 2);
}

TEST_CASE_FIXTURE(orders_fixture, "skip takes what failed as dealt with, in both directions") {
  SUBCASE("forward") {
    park_forward();
    play.order(order_of::skip).expect(phase::completed);
    play.expect("ship", progress::skipped);
  }
  SUBCASE("back") {
    park_backward();
    play.order(order_of::skip).expect(phase::compensated);
    play.expect("credit", progress::kept);
    play.expect("create", progress::undone);
  }
}

TEST_CASE_FIXTURE(orders_fixture, "compensate turns a running saga back, what is on its way included") {
  play.start(order{.total = 50}).order(order_of::compensate).expect(phase::compensating);
  CHECK(play.expect_call<release_credit>("credit").amount == 50);
  play.reply("credit").expect(phase::compensated);
  CHECK(play.state().why == "ordered");
}

TEST_CASE_FIXTURE(orders_fixture, "compensate does nothing behind the pivot") {
  park_forward();
  play.order(order_of::compensate).expect(phase::parked);
}

TEST_CASE_FIXTURE(orders_fixture, "abort ends a saga as it is") {
  play.start(order{.total = 500}).order(order_of::abort).expect(phase::aborted);
  CHECK(play.alarms() == 0);
  CHECK(play.commands().size() == 2);
  for (const order_of one : {order_of::retry, order_of::skip, order_of::compensate})
    play.order(one).expect(phase::aborted);
}

TEST_CASE_FIXTURE(orders_fixture,
                  "a saga that nobody knew how to go on with resumes with what was on its way") {
  play.start(order{.total = 50});
  transition parked = hold(play.state(), alarm_rang{}, "no definition", timestamp{});
  CHECK(parked.changed);
  CHECK(parked.next.phase == phase::parked);
  const definition of = order_steps().build();
  transition resumed = advance(of, std::move(parked.next), ordered{order_of::retry}, timestamp{}, 0.5);
  CHECK(resumed.next.phase == phase::running);
  REQUIRE(resumed.effects.size() == 2);
  CHECK(std::get<send_command>(resumed.effects[0]).id == "o-1/credit");
}

TEST_CASE_FIXTURE(orders_fixture,
                  "a saga that nobody knows how to go on with can be aborted, and nothing else") {
  play.start(order{.total = 50});
  const transition parked = hold(play.state(), alarm_rang{}, "no definition", timestamp{});
  CHECK_FALSE(hold(parked.next, alarm_rang{}, "no definition", timestamp{}).changed);
  for (const order_of one : {order_of::retry, order_of::skip, order_of::compensate}) {
    const transition ordered_in_vain = hold(parked.next, ordered{one}, "still none", timestamp{});
    CHECK(ordered_in_vain.changed);  // whoever has ordered it is told
    CHECK(ordered_in_vain.next.phase == phase::parked);
    CHECK(ordered_in_vain.next.why == "still none");
  }
  CHECK(hold(parked.next, ordered{order_of::abort}, "", timestamp{}).next.phase == phase::aborted);
}

}  // namespace skald::sagas::test
