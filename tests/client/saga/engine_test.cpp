// The engine, played through by scenarios of the builder's form: what it does to data, and what comes late.
// What holds of both forms is in forms_test.cpp.
#include <doctest/doctest.h>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

namespace {

struct order_fixture {
  scenario play{order_steps().build(), "o-1"};
};

}  // namespace

TEST_CASE_FIXTURE(order_fixture,
                  "local steps change the data, and a step whose condition does not hold is skipped") {
  play.start(order{.total = 50});
  CHECK(play.data<order>().state == "pending");
  play.expect("stock", progress::skipped);
  play.reply("credit").reply("ship").expect(phase::completed);
  CHECK(play.data<order>().state == "pending approved");
}

TEST_CASE_FIXTURE(order_fixture, "what a reply says becomes data") {
  play.start(order{.total = 50});
  credit_reserved said;
  said.amount = 7;
  play.reply("credit", said);
  CHECK(play.data<order>().state == "pending credit 7 approved");
}

TEST_CASE("a step that has only a compensation is done as it begins, and undone like others") {
  const definition of = saga<order>("placed-order")
                            .step("order")
                            .compensate([](order& data) { data.state = "rejected"; })
                            .step("credit")
                            .call<reserve_credit>("customers", [](const order&) { return reserve_credit(); })
                            .build();
  scenario play(of);
  play.start(order{.total = 50}).expect("order", progress::done);
  play.fail("credit", credit_limit_exceeded()).expect(phase::compensated);
  play.expect("order", progress::undone);
  CHECK(play.data<order>().state == "rejected");
  CHECK(drill(of, order{.total = 50}).run().size() > 4);
}

TEST_CASE("what was done here and is undone by a participant names no command, and is undone by a drill") {
  const definition of = saga<order>("undo")
                            .step("undo")  // as good a name as any
                            .local([](order&) {})
                            .compensate<release_credit>("customers", of_total<release_credit>)
                            .step("credit")
                            .call<reserve_credit>("customers", of_total<reserve_credit>)
                            .compensate<release_credit>(of_total<release_credit>)
                            .build();
  scenario play(of);
  play.start(order{.total = 50});
  CHECK_FALSE(play.expect_command("credit").undo);
  play.fail("credit", credit_limit_exceeded{}).expect(phase::compensating);
  CHECK(play.expect_call<release_credit>("undo").amount == 50);
  CHECK(play.expect_command("undo").undo);
  CHECK(play.expect_command("undo").compensates.empty());
  play.reply("undo").expect(phase::compensated);
  CHECK(drill(of, order{.total = 50}).run().size() == 2 + 2 * 3 + 2);
}

TEST_CASE_FIXTURE(order_fixture, "a typed error changes the data before the saga turns back") {
  play.start(order{.total = 50});
  credit_limit_exceeded limit;
  limit.amount = 100;
  play.fail("credit", limit).expect(phase::compensated);
  CHECK(play.data<order>().state == "rejected limit 100");
  CHECK(play.state().why == "'credit': credit-limit-exceeded");
}

TEST_CASE_FIXTURE(order_fixture, "an error that is to be retried is a new intent, after a wait") {
  play.start(order{.total = 50}).fail("credit", busy{});
  play.expect("credit", progress::pausing);
  CHECK(play.commands().size() == 1);
  play.pass(1s);
  CHECK(play.expect_command("credit").id == "o-1/credit#2");
  play.fail("credit", busy{}).pass(2s).fail("credit", busy{});
  play.expect(phase::compensated);
  play.expect("credit", progress::failed);
}

TEST_CASE_FIXTURE(order_fixture, "a reply that comes while the next attempt waits is taken in") {
  play.start(order{.total = 50}).pass(30s);
  play.happen(replied{.command = "o-1/credit"});
  play.expect("approve", progress::done);
  play.pass(1h);
  CHECK(play.commands()[0].type == "reserve-credit");
  CHECK(play.commands()[1].type == "ship");
}

TEST_CASE_FIXTURE(order_fixture, "a reply that comes while the saga turns back is news about what to undo") {
  play.start(order{.total = 500});
  play.pass(30s).pass(1s).pass(30s).pass(2s).pass(30s);  // neither answers
  play.expect(phase::compensating);
  play.expect("stock", progress::undoing);
  play.expect("credit", progress::unknown);
  play.happen(replied{.command = "o-1/credit", .failed = true});
  play.expect("credit", progress::failed);
  play.reply("stock").expect(phase::compensated);
}

TEST_CASE_FIXTURE(order_fixture, "a parked saga goes on when the reply it lacked comes late") {
  play.start(order{.total = 50}).reply("credit").pass(30s).pass(1s).pass(30s).expect(phase::parked);
  play.expect("ship", progress::unknown);
  play.reply("ship").expect(phase::completed);
}

TEST_CASE_FIXTURE(order_fixture, "a reply that cannot be read leaves the step to be undone") {
  play.start(order{.total = 50}).answer("credit", false, "credit-reserved", "no number");
  play.expect(phase::compensating);
  play.expect("credit", progress::undoing);
}

TEST_CASE("a local step that fails has not happened, and one that throws otherwise may have") {
  int runs = 0;
  bool certain = true;
  const auto make = [&] {
    return saga<order>("local")
        .step("first")
        .local([](order&) {})
        .compensate([](order& data) { data.state = "first undone"; })
        .step("second")
        .local([&](order&) {
          ++runs;
          if (certain) throw step_failed("no");
          throw std::runtime_error("perhaps");
        })
        .retry(steady, 2)
        .compensate([](order& data) { data.state = "second undone"; })
        .build();
  };
  scenario surely(make());
  surely.start(order{}).expect(phase::compensated);
  CHECK(runs == 1);
  surely.expect("second", progress::failed);
  CHECK(surely.data<order>().state == "first undone");

  certain = false;
  scenario perhaps(make());
  perhaps.start(order{}).pass(1s).expect(phase::compensated);
  CHECK(runs == 3);
  perhaps.expect("second", progress::undone);
}

TEST_CASE("a pivot of unknown outcome without compensation parks the saga, until it is known") {
  const definition of = saga<order>("pivot")
                            .step("first")
                            .local([](order&) {})
                            .pivot("decide")
                            .call<ship>("warehouse", of_total<ship>)
                            .retry(steady, 1)
                            .build();
  scenario play(of);
  play.start(order{}).pass(30s).expect(phase::parked);
  SUBCASE("it has happened") {
    play.reply("decide").expect(phase::completed);
  }
  SUBCASE("it has not") {
    play.answer("decide", true, "", "").expect(phase::compensated);
  }
}

}  // namespace skald::sagas::test
