// What the builder refuses, and what a definition looks like.
#include <doctest/doctest.h>

#include <skald/protocol/error.hpp>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

namespace {

void do_nothing(order&) {}

std::string refusal(saga<order> of) {
  try {
    of.build();
  } catch (const error& why) {
    return why.what();
  }
  return {};
}

}  // namespace

TEST_CASE("what cannot be run is refused, with the reason") {
  const auto made = [] { return saga<order>("a"); };
  CHECK(contains(refusal(made()), "no steps"));
  CHECK(contains(refusal(made().step("x")), "nothing to do"));
  CHECK(contains(refusal(made().pivot("x")), "nothing to do"));
  CHECK(contains(refusal(made().step("x").local(do_nothing).step("x").local(do_nothing)), "two steps"));
  CHECK(contains(refusal(made().step("x/y").local(do_nothing)), "a name has"));
  CHECK(contains(refusal(made().step("").local(do_nothing)), "a name has"));
  CHECK(contains(refusal(made().beside("x").local(do_nothing)), "beside"));
  CHECK(contains(refusal(made().pivot("x").local(do_nothing).pivot("y").local(do_nothing)), "one pivot"));
  CHECK(contains(refusal(made().pivot("x").local(do_nothing).beside("y").local(do_nothing)), "runs alone"));
  CHECK(contains(refusal(made().step("x").local(do_nothing).retry({}, 0)), "at least one attempt"));
  CHECK_THROWS_AS(made().timeout(1s), error);
  CHECK(refusal(order_steps()).empty());
}

TEST_CASE("a definition is drawn as a Mermaid flowchart") {
  const std::string drawn = to_mermaid(order_steps().build());
  CHECK(drawn.starts_with("flowchart TD\n"));
  CHECK(contains(drawn, "s1[\"credit\ncustomers: reserve-credit\"]"));
  CHECK(contains(drawn, "s0 --> s1\n"));
  CHECK(contains(drawn, "s0 --> s2\n"));  // beside
  CHECK(contains(drawn, "s1 --> s3\n"));
  CHECK(contains(drawn, "s2 --> s3\n"));
  CHECK(contains(drawn, "s3[\"approve (pivot)\"]"));
  CHECK(contains(drawn, "s4 --> completed\n"));
  CHECK(contains(drawn, "s1 -. undo .-> u1\n"));
}

}  // namespace skald::sagas::test
