// The drill: it passes what is sound, and finds what is not.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

namespace {

std::vector<std::string> effects(const std::vector<drill_run>& of, std::string_view step, harm what) {
  const auto at =
      std::ranges::find_if(of, [&](const drill_run& is) { return is.step == step && is.what == what; });
  REQUIRE(at != of.end());
  return at->effects;
}

}  // namespace

TEST_CASE("an order survives every harm to every step") {
  credit_reserved said;
  said.amount = 3;
  const std::vector<drill_run> runs =
      drill(order_steps().build(), order{.total = 500}).answer<reserve_credit>(said).run();
  CHECK(runs.size() == 2 + 5 * 3 + 3);
  CHECK(runs[0].state.phase == phase::completed);
  CHECK(order::from_bytes(runs[0].state.data).state == "pending credit 3 approved");

  using list = std::vector<std::string>;
  CHECK(effects(runs, "stock", harm::failed) == list{"create", "credit", "undo credit", "undo create"});
  CHECK(effects(runs, "stock", harm::reply_lost) ==
        list{"create", "credit", "stock", "undo stock", "undo credit", "undo create"});
  CHECK(effects(runs, "credit", harm::command_lost) == list{"create", "stock", "undo stock", "undo create"});
}

TEST_CASE("the drill finds a step that takes effect again when it runs again") {
  int sum = 0;
  const definition counts =
      saga<order>("counts").step("count").local([&](order& data) { data.total = ++sum; }).build();
  CHECK_THROWS_AS(drill(counts, order{}).run(), expectation_failed);
}

TEST_CASE("an expectation that does not hold says what happened instead") {
  scenario play(order_steps().build());
  play.start(order{.total = 50});
  try {
    play.expect(phase::completed);
    FAIL("it is not completed");
  } catch (const expectation_failed& why) {
    const std::string text = why.what();
    CHECK(text.find("is running, not completed") != std::string::npos);
    CHECK(text.find("call 'credit'") != std::string::npos);
  }
  CHECK_THROWS_AS(play.expect_command("ship"), expectation_failed);
  CHECK_THROWS_AS(play.expect_call<ship>("credit"), expectation_failed);
}

}  // namespace skald::sagas::test
