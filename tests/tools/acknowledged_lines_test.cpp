#include "tools/cli/acknowledged_lines.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace skald::cli {
namespace {

using ranges = std::vector<line_range>;

TEST_CASE("nothing is acknowledged at first") {
  const acknowledged_lines none;
  CHECK(none.count() == 0);
  CHECK(none.ranges() == ranges{});
  CHECK(none.describe("line") == "no lines");
}

TEST_CASE("neighbours make one range") {
  acknowledged_lines lines;
  for (const unsigned line : {4u, 1u, 2u, 9u, 3u, 10u, 3u}) lines.mark(line);
  CHECK(lines.count() == 6);
  CHECK(lines.ranges() == ranges{{1, 4}, {9, 10}});
  CHECK(lines.describe("line") == "lines 1-4 and 9-10");
}

TEST_CASE("whole words and what follows them are one range") {
  acknowledged_lines lines;
  for (std::uint64_t line = 1; line <= 4096; ++line) lines.mark(line);
  CHECK(lines.describe("line") == "lines 1-4,096");
  lines.mark(4097);
  lines.mark(4099);
  lines.mark(17);  // long since settled
  CHECK(lines.count() == 4098);
  CHECK(lines.ranges() == ranges{{1, 4097}, {4099, 4099}});
}

TEST_CASE("any order of acknowledgements gives the same") {
  std::vector<std::uint64_t> order(1000);
  std::iota(order.begin(), order.end(), 1);
  std::shuffle(order.begin(), order.end(), std::mt19937(11));
  acknowledged_lines lines;
  for (const std::uint64_t line : order) {
    if (line != 500) lines.mark(line);
  }
  CHECK(lines.ranges() == ranges{{1, 499}, {501, 1000}});
}

TEST_CASE("the description names the kind of input and sums up what is too much") {
  acknowledged_lines lines;
  lines.mark(1);
  CHECK(lines.describe("message") == "message 1");
  for (const unsigned line : {3u, 5u, 6u, 8u}) lines.mark(line);
  CHECK(lines.describe("line") == "lines 1, 3, 5-6 and 8");
  CHECK(lines.describe("line", 2) == "lines 1, 3 and 3 more in 2 ranges up to 8");
}

}  // namespace
}  // namespace skald::cli
