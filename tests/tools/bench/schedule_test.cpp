#include "tools/bench/schedule.hpp"

#include <doctest/doctest.h>

namespace skald::cli::bench {
namespace {

using namespace std::chrono_literals;

TEST_CASE("producers take turns at the rate of all of them") {
  const steady::time_point start(5s);
  const schedule first(1000, 0, 2, start);
  const schedule second(1000, 1, 2, start);
  CHECK(first.due(0) == start);
  CHECK(second.due(0) == start + 1ms);
  CHECK(first.due(1) == start + 2ms);
  CHECK(second.due(499) == start + 999ms);
}

TEST_CASE("a schedule does not drift, for a rate that does not divide a second") {
  const steady::time_point start(0s);
  const schedule odd(7, 0, 1, start);
  CHECK(odd.due(7) == start + 1s);
  CHECK(odd.due(7'000'000) == start + 1'000'000s);
}

}  // namespace
}  // namespace skald::cli::bench
