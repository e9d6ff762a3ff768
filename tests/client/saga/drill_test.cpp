// The drill: it passes what is sound, and finds what is not.
#include <doctest/doctest.h>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

TEST_CASE("a drill answers commands as it is told, in all of its runs") {
  credit_reserved said;
  said.amount = 3;
  const std::vector<drill_run> runs =
      drill(order_steps().build(), order{.total = 500}).answer<reserve_credit>(said).run();
  CHECK(runs[0].state.phase == phase::completed);
  CHECK(order::from_bytes(runs[0].state.data).state == "pending credit 3 approved");
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
