// The order saga again, written as a coroutine: the same engine, the same test kit.
#include <doctest/doctest.h>

#include <algorithm>
#include <skald/protocol/error.hpp>
#include <skald/saga/coroutine.hpp>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

namespace {

constexpr step_options patient{.retry = {.max_attempts = 3, .wait = steady}};

void nothing() {}

struct note {
  std::string text;
  void operator()(local_step& at) const { at.append("orders", std::string(at.saga_id()), text); }
};

script order_story(course<order>& saga) {
  const int total = saga.input().total;
  const note pending_note{"pending"};
  const note rejected_note{"rejected"};
  saga.compensate("create", rejected_note);
  co_await saga.local("create", pending_note);

  reserve_credit credit_wanted;
  credit_wanted.amount = total;
  release_credit credit_back;
  credit_back.amount = total;
  saga.compensate("credit", "customers", credit_back, {.retry = {.max_attempts = 2, .wait = steady}});
  const pending credit = saga.call("credit", "customers", credit_wanted, patient);
  if (total > 100) {
    reserve_stock stock_wanted;
    stock_wanted.amount = total;
    release_stock stock_back;
    stock_back.amount = total;
    saga.compensate("stock", "warehouse", stock_back);
    co_await saga.call("stock", "warehouse", stock_wanted, patient);
  }
  const answered said = co_await credit;
  const int reserved = said.is<credit_reserved>() ? said.as<credit_reserved>().amount : total;

  const auto approve = [&] {
    credit_reserved result;
    result.amount = reserved + 1;
    return result;
  };
  const answered approved = co_await saga.local("approve", approve, {.pivot = true});
  ship parcel;
  parcel.amount = approved.as<credit_reserved>().amount;
  co_await saga.call("ship", "warehouse", parcel, {.retry = {.max_attempts = 2, .wait = steady}});
}

definition order_script(version number = version{2}) {
  return scripted<order>("create-order", number, {"customers", "warehouse"}, order_story);
}

// A saga of these local steps, one after the other.
definition of_names(std::vector<std::string> names, version number = version{1}) {
  return scripted<order>("names", number, {}, [names](course<order>& saga) -> script {
    for (const std::string& name : names) co_await saga.local(name, nothing);
    ship parcel;
    co_await saga.call("wait", "warehouse", parcel);
    co_await saga.local("last", nothing);
  });
}

struct script_fixture {
  scenario play{order_script(), "o-1"};
};

}  // namespace

TEST_CASE_FIXTURE(script_fixture, "a coroutine runs to its end, step by step") {
  play.start(order{.total = 50});
  CHECK(play.expect_call<reserve_credit>("credit").amount == 50);
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

TEST_CASE_FIXTURE(script_fixture, "what steps came to decides the course, after any number of runs") {
  play.start(order{.total = 50});
  credit_reserved said;
  said.amount = 7;
  play.reply("credit", said);
  CHECK(play.expect_call<ship>("ship").amount == 8);  // by way of a local step's result
}

TEST_CASE_FIXTURE(script_fixture, "steps that are asked for before one is awaited run together") {
  play.start(order{.total = 500});
  play.expect("credit", progress::acting);
  play.expect("stock", progress::acting);
  play.reply("stock").expect(phase::running);
  CHECK(play.state().steps.size() == 3);
  play.reply("credit");
  play.expect("approve", progress::done);
}

TEST_CASE_FIXTURE(script_fixture, "a step that fails turns the saga back, and the coroutine is not resumed") {
  play.start(order{.total = 500}).reply("stock");
  credit_limit_exceeded limit;
  limit.amount = 100;
  play.fail("credit", limit).expect(phase::compensating);
  CHECK(play.expect_call<release_stock>("stock").amount == 500);
  CHECK(play.expect_command("stock").compensates == "o-1/stock");
  play.reply("stock").expect(phase::compensated);
  play.expect("create", progress::undone);
  REQUIRE(play.records().size() == 2);
  CHECK(play.records()[1].value == "rejected");
}

TEST_CASE_FIXTURE(script_fixture,
                  "without a reply the command is sent again, then what was registered undoes it") {
  play.start(order{.total = 50}).pass(30s).pass(1s);
  CHECK(play.commands().size() == 2);
  CHECK(play.commands()[1].id == play.commands()[0].id);
  play.pass(30s).pass(2s).pass(30s).expect(phase::compensating);
  CHECK(play.expect_call<release_credit>("credit").amount == 50);
  play.reply("credit").expect(phase::compensated);
}

TEST_CASE_FIXTURE(script_fixture, "what comes twice, or for nobody, changes nothing") {
  play.start(order{.total = 50}).reply("credit").reply("ship").expect(phase::completed);
  const std::string before = encode_state(play.state());
  for (const send_command& one : std::vector(play.commands())) play.happen(replied{.command = one.id});
  play.happen(alarm_rang{1}).happen(alarm_rang{77});
  CHECK(encode_state(play.state()) == before);
}

TEST_CASE_FIXTURE(script_fixture, "operators' orders: a parked step is retried, or skipped") {
  play.start(order{.total = 50}).reply("credit");
  play.answer("ship", true, "", "").pass(1s).answer("ship", true, "", "").expect(phase::parked);
  SUBCASE("retried") {
    play.order(ordered::order::retry).reply("ship").expect(phase::completed);
  }
  SUBCASE("skipped") {
    play.order(ordered::order::skip).expect(phase::completed);
    play.expect("ship", progress::skipped);
  }
}

TEST_CASE_FIXTURE(script_fixture,
                  "a compensation that fails for good parks the saga, and goes on when it is retried") {
  play.start(order{.total = 500}).reply("credit").answer("stock", true, "", "");
  play.answer("credit", true, "", "").pass(1s).answer("credit", true, "", "").expect(phase::parked);
  play.order(ordered::order::retry).reply("credit").expect(phase::compensated);
}

TEST_CASE("an error of a step that may fail is given to the coroutine") {
  const definition two = scripted<order>("two", version{1}, {}, [](course<order>& saga) -> script {
    ship parcel;
    const answered first = co_await saga.call("first", "post", parcel, {.may_fail = true});
    if (first.is_failed() && first.is<busy>()) co_await saga.call("second", "courier", parcel);
  });
  scenario play(two);
  play.start(order{});
  SUBCASE("which asks somebody else") {
    play.fail("first", busy{});
    play.expect("first", progress::failed);
    play.reply("second").expect(phase::completed);
  }
  SUBCASE("and what has not happened is not undone when the saga turns back") {
    play.fail("first", busy{}).fail("second", busy{}).expect(phase::compensated);
  }
  SUBCASE("or there is none") {
    play.reply("first").expect(phase::completed);
  }
}

TEST_CASE("orders do not touch a failure that the coroutine has been told of") {
  scenario play(scripted<order>("two", version{1}, {}, [](course<order>& saga) -> script {
    ship parcel;
    co_await saga.call("first", "post", parcel, {.may_fail = true});
    co_await saga.local("decide", nothing, {.pivot = true});
    co_await saga.call("second", "courier", parcel, {.retry = {.max_attempts = 1}});
  }));
  play.start(order{}).fail("first", busy{}).answer("second", true, "", "").expect(phase::parked);
  const std::size_t sent = play.commands().size();
  SUBCASE("retry") {
    play.order(ordered::order::retry);
    CHECK(play.commands().size() == sent + 1);
    CHECK(play.commands().back().id == "saga-1/second#2");
  }
  SUBCASE("skip") {
    play.order(ordered::order::skip).expect(phase::completed);
    CHECK(play.commands().size() == sent);
  }
  play.expect("first", progress::failed);
}

TEST_CASE("an exception that leaves the coroutine turns the saga back; behind the pivot it parks it") {
  const auto make = [](bool pivot) {
    return scripted<order>("throws", version{1}, {}, [pivot](course<order>& saga) -> script {
      saga.compensate("first", nothing);
      co_await saga.local("first", nothing, {.pivot = pivot});
      throw std::runtime_error("no such price");
    });
  };
  scenario back(make(false));
  back.start(order{}).expect(phase::compensated);
  back.expect("first", progress::undone);
  CHECK(back.state().why == "no such price");
  scenario parked(make(true));
  parked.start(order{}).expect(phase::parked);
  CHECK(parked.state().why == "no such price");
}

TEST_CASE("code that asks for another step than the journal has parks the saga, and says which") {
  struct mistake {
    std::vector<std::string> names;
    const char* why;
  };
  const mistake mistakes[] = {{{"a", "x", "c"}, "asks for step 'x' where the journal has 'b'"},
                              {{"a", "c", "b"}, "asks for step 'c' where the journal has 'b'"},
                              {{"a", "c"}, "asks for step 'c' where the journal has 'b'"},
                              {{"a", "b"}, "asks for step 'wait' where the journal has 'c'"},
                              {{"new", "a", "b", "c"}, "asks for step 'new' where the journal has 'a'"}};
  for (const mistake& each : mistakes) {
    CAPTURE(each.why);
    scenario play(of_names({"a", "b", "c"}));
    play.start(order{}).upgrade(of_names(each.names)).reply("wait").expect(phase::parked);
    CHECK(contains(play.state().why, each.why));
    play.order(ordered::order::retry).expect(phase::parked);
    play.order(ordered::order::skip).expect(phase::parked);
    scenario given_up = play;
    given_up.order(ordered::order::abort).expect(phase::aborted);
    play.upgrade(of_names({"a", "b", "c"}))
        .order(ordered::order::retry)
        .reply("wait")
        .expect(phase::completed);
  }
}

TEST_CASE("code that ends, or waits, before the journal does parks the saga") {
  scenario play(of_names({"a", "b"}));
  play.start(order{});
  SUBCASE("ends") {
    play.upgrade(scripted<order>("names", version{1}, {},
                                 [](course<order>& saga) -> script { co_await saga.local("a", nothing); }));
    play.reply("wait").expect(phase::parked);
    CHECK(contains(play.state().why, "the code ends where the journal has step 'b'"));
  }
  SUBCASE("waits for something that is no step") {
    play.upgrade(scripted<order>("names", version{1}, {}, [](course<order>& saga) -> script {
      co_await saga.local("a", nothing);
      co_await std::suspend_always();
    }));
    play.reply("wait").expect(phase::parked);
    CHECK(contains(play.state().why, "the code waits where the journal has step 'b'"));
  }
}

TEST_CASE("a coroutine that waits for something that is no step is parked") {
  scenario play(scripted<order>("waits", version{1}, {},
                                [](course<order>&) -> script { co_await std::suspend_always(); }));
  play.start(order{}).expect(phase::parked);
  CHECK(contains(play.state().why, "no step of the saga"));
}

TEST_CASE("what no saga may have turns it back with the reason") {
  const auto why = [](auto code) {
    scenario play(scripted<order>("wrong", version{1}, {}, code));
    play.start(order{}).expect(phase::compensated);
    return play.state().why;
  };
  CHECK(contains(why([](course<order>& saga) -> script {
                   co_await saga.local("x", nothing);
                   co_await saga.local("x", nothing);
                 }),
                 "two steps are called 'x'"));
  CHECK(contains(why([](course<order>& saga) -> script { co_await saga.local("x/y", nothing); }),
                 "a name has"));
  CHECK(contains(why([](course<order>& saga) -> script {
                   co_await saga.local("x", nothing);
                   saga.compensate("x", nothing);
                 }),
                 "registered after"));
  CHECK(contains(why([](course<order>& saga) -> script {
                   const pending x = saga.local("x", nothing);
                   const pending y = saga.local("y", nothing, {.pivot = true});
                   co_await x;
                   co_await y;
                 }),
                 "runs alone"));
}

TEST_CASE("an upgrade in mid-flight maps names, or adds steps behind the place where the saga is") {
  scenario play(of_names({"a"}));
  play.start(order{});
  definition next = of_names({"first"}, version{2});
  next.migrations[1] = {{"a", "first"}};
  play.upgrade(next);
  CHECK(play.state().version == version{2});
  play.reply("wait").expect(phase::completed);
}

TEST_CASE(
    "an instance of the builder's form is taken over by a coroutine only with a journal that it can read") {
  const auto built = saga<order>("names")
                         .step("a")
                         .local([](order&) {})
                         .step("wait")
                         .call<ship>("warehouse", of_total<ship>)
                         .build();
  scenario play(built);
  play.start(order{}).upgrade(of_names({"a"})).reply("wait").expect(phase::parked);
  CHECK(contains(play.state().why, "the code waits where the journal has step 'wait'"));
}

TEST_CASE("outcomes of any bytes are stored and read back") {
  scenario play(order_script(), "o-1");
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  play.start(order{.total = 50}).answer("credit", false, "any", bytes);
  const instance& is = play.state();
  const instance again = decode_state(encode_state(is), is.id, is.data);
  CHECK(encode_state(again) == encode_state(is));
  const auto credit = std::ranges::find(again.steps, "credit", &step_state::name);
  REQUIRE(credit != again.steps.end());
  CHECK(credit->outcome->body == bytes);
}

TEST_CASE("a coroutine survives every harm to every step") {
  const std::vector<drill_run> runs = drill(order_script(), order{.total = 500}).run();
  CHECK(runs.size() == 2 + 5 * 3 + 3);
  const auto at = std::ranges::find_if(
      runs, [](const drill_run& is) { return is.step == "stock" && is.what == harm::reply_lost; });
  REQUIRE(at != runs.end());
  CHECK(at->effects ==
        std::vector<std::string>{"create", "credit", "stock", "undo stock", "undo credit", "undo create"});
}

TEST_CASE("a registry knows whom a coroutine may call, and draws it with them") {
  registry known;
  known.add(order_script());
  CHECK(known.participants() == std::vector<std::string>{"customers", "warehouse"});
  CHECK(contains(to_mermaid(order_script()), "[\"warehouse\"]"));
}

}  // namespace skald::sagas::test
