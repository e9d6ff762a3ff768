// What is particular to sagas that are written as coroutines; what is not is in forms_test.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <skald/protocol/error.hpp>

#include "tests/client/saga/order_story.hpp"

namespace skald::sagas::test {

namespace {

void nothing() {}

// A saga of these local steps, one after the other.
definition of_names(std::vector<std::string> names, version number = version{1}) {
  return scripted<order>("names", number, {}, [names](course<order>& saga) -> script {
    for (const std::string& name : names) co_await saga.local(name, nothing);
    ship parcel;
    co_await saga.call("wait", "warehouse", parcel);
    co_await saga.local("last", nothing);
  });
}

}  // namespace

TEST_CASE("what steps came to decides the course, after any number of runs") {
  scenario play(order_script(), "o-1");
  play.start(order{.total = 50});
  credit_reserved said;
  said.amount = 7;
  play.reply("credit", said);
  CHECK(play.expect_call<ship>("ship").amount == 8);  // by way of a local step's result
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

TEST_CASE("a registry knows whom a coroutine may call, and draws it with them") {
  registry known;
  known.add(order_script());
  CHECK(known.participants() == std::vector<std::string>{"customers", "warehouse"});
  CHECK(contains(to_mermaid(order_script()), "[\"warehouse\"]"));
}

}  // namespace skald::sagas::test
