// What holds of an order saga in whichever form it is written: by the builder, or as a coroutine.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/client/saga/order_story.hpp"

namespace skald::sagas::test {

namespace {

struct built {
  static definition make() { return order_steps().build(); }
};
struct scripted_form {
  static definition make() { return order_script(); }
};

template <class Form>
struct order_play : scenario {
  order_play() : scenario(Form::make(), "o-1") {}
};

}  // namespace

TEST_CASE_TEMPLATE("an order reserves credit, is approved and shipped", Form, built, scripted_form) {
  order_play<Form> play;
  play.start(order{.total = 50});
  CHECK(play.template expect_call<reserve_credit>("credit").amount == 50);
  CHECK(play.expect_command("credit").id == "o-1/credit");
  CHECK(play.alarms() == 1);
  play.reply("credit");
  play.expect("approve", progress::done);
  CHECK(play.state().forward_only);
  play.reply("ship").expect(phase::completed);
  CHECK(play.alarms() == 0);
  REQUIRE(play.records().size() == 1);
  CHECK(play.records()[0].value == "pending");
}

TEST_CASE_TEMPLATE("steps beside one another run together, and the next waits for all of them", Form, built,
                   scripted_form) {
  order_play<Form> play;
  play.start(order{.total = 500});
  play.expect("credit", progress::acting);
  play.expect("stock", progress::acting);
  play.reply("stock").expect(phase::running);
  CHECK(play.state().steps.size() == 3);
  play.reply("credit");
  play.expect("approve", progress::done);
}

TEST_CASE_TEMPLATE("a step that fails turns the saga back: what was done is undone, the last begun first",
                   Form, built, scripted_form) {
  order_play<Form> play;
  play.start(order{.total = 500}).reply("stock");
  credit_limit_exceeded limit;
  limit.amount = 100;
  play.fail("credit", limit).expect(phase::compensating);
  play.expect("credit", progress::failed);
  CHECK(play.template expect_call<release_stock>("stock").amount == 500);
  CHECK(play.expect_command("stock").compensates == "o-1/stock");
  play.expect("create", progress::done);
  play.reply("stock").expect(phase::compensated);
  play.expect("create", progress::undone);
  CHECK(play.state().why.starts_with("'credit': credit-limit-exceeded"));
  CHECK(play.alarms() == 0);
}

TEST_CASE_TEMPLATE("without a reply the same command is sent again, then its unknown outcome is undone", Form,
                   built, scripted_form) {
  order_play<Form> play;
  play.start(order{.total = 50}).pass(30s);
  play.expect("credit", progress::pausing);
  play.pass(1s);
  CHECK(play.commands().size() == 2);
  CHECK(play.commands()[1].id == play.commands()[0].id);
  play.pass(30s).pass(2s).pass(30s);
  CHECK(play.commands().size() == 4);
  play.expect(phase::compensating);
  play.expect("credit", progress::undoing);
  CHECK(play.template expect_call<release_credit>("credit").amount == 50);
  play.reply("credit").expect(phase::compensated);
}

TEST_CASE_TEMPLATE("what comes twice, or for nobody, changes nothing", Form, built, scripted_form) {
  order_play<Form> play;
  play.start(order{.total = 50}).reply("credit").reply("ship").expect(phase::completed);
  const std::string before = encode_state(play.state());
  for (const send_command& one : std::vector(play.commands())) {
    play.happen(replied{.command = one.id});
    play.happen(replied{.command = one.id, .failed = true});
  }
  play.happen(replied{.command = "o-1/nothing"});
  play.happen(alarm_rang{1}).happen(alarm_rang{77}).happen(alarm_rang{0});
  CHECK(encode_state(play.state()) == before);
}

TEST_CASE_TEMPLATE("behind the pivot a failure is retried, then the saga is parked until ordered on", Form,
                   built, scripted_form) {
  order_play<Form> play;
  play.start(order{.total = 50}).reply("credit");
  play.answer("ship", true, "no-carrier", "");
  play.expect("ship", progress::pausing);
  play.pass(1s).answer("ship", true, "no-carrier", "").expect(phase::parked);
  CHECK(play.state().why == "'ship': no-carrier");
  CHECK(play.alarms() == 0);
  SUBCASE("to retry") {
    play.order(ordered::order::retry).reply("ship").expect(phase::completed);
  }
  SUBCASE("to skip") {
    play.order(ordered::order::skip).expect(phase::completed);
    play.expect("ship", progress::skipped);
  }
}

TEST_CASE_TEMPLATE("a compensation that fails is retried, then the saga is parked by name until ordered on",
                   Form, built, scripted_form) {
  order_play<Form> play;
  play.start(order{.total = 500}).reply("credit").answer("stock", true, "", "").expect(phase::compensating);
  play.answer("credit", true, "", "down").pass(1s);
  CHECK(play.expect_command("credit").id == "o-1/credit/undo#2");
  play.answer("credit", true, "", "down").expect(phase::parked);
  play.expect("credit", progress::undo_failed);
  CHECK(play.state().why.find("'credit'") != std::string::npos);
  play.expect("create", progress::done);
  play.order(ordered::order::retry).reply("credit").expect(phase::compensated);
}

TEST_CASE_TEMPLATE("an order survives every harm to every step", Form, built, scripted_form) {
  const std::vector<drill_run> runs = drill(Form::make(), order{.total = 500}).run();
  CHECK(runs.size() == 2 + 5 * 3 + 3);
  const auto effects = [&](std::string_view step, harm what) {
    const auto at =
        std::ranges::find_if(runs, [&](const drill_run& is) { return is.step == step && is.what == what; });
    REQUIRE(at != runs.end());
    return at->effects;
  };
  using list = std::vector<std::string>;
  CHECK(effects("stock", harm::failed) == list{"create", "credit", "undo credit", "undo create"});
  CHECK(effects("stock", harm::reply_lost) ==
        list{"create", "credit", "stock", "undo stock", "undo credit", "undo create"});
  CHECK(effects("credit", harm::command_lost) == list{"create", "stock", "undo stock", "undo create"});
}

}  // namespace skald::sagas::test
