#include "tools/bench/histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace skald::cli::bench {
namespace {

using std::chrono::nanoseconds;

TEST_CASE("an empty histogram has no latencies") {
  const histogram none;
  CHECK(none.empty());
  CHECK(none.percentile(50) == nanoseconds(0));
  CHECK(none.max() == nanoseconds(0));
  CHECK(none.mean() == nanoseconds(0));
}

TEST_CASE("small values are exact") {
  histogram of;
  for (int i = 1; i <= 1000; ++i) of.record(nanoseconds(i));
  CHECK(of.count() == 1000);
  CHECK(of.percentile(50) == nanoseconds(500));
  CHECK(of.percentile(99) == nanoseconds(990));
  CHECK(of.percentile(99.9) == nanoseconds(999));
  CHECK(of.percentile(100) == nanoseconds(1000));
  CHECK(of.percentile(0) == nanoseconds(1));
  CHECK(of.min() == nanoseconds(1));
  CHECK(of.max() == nanoseconds(1000));
  CHECK(of.mean() == nanoseconds(501));  // 500.5, rounded
}

TEST_CASE("percentiles are right to a thousandth, whatever the magnitude, and never below") {
  std::mt19937_64 random(3);
  std::lognormal_distribution<double> latencies(13, 2.5);  // around 400 us, with a long tail
  std::vector<std::int64_t> values;
  histogram of;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<std::int64_t>(latencies(random)));
    of.record(nanoseconds(values.back()));
  }
  std::ranges::sort(values);
  for (const double percent : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99}) {
    const auto of_all = percent / 100 * static_cast<double>(values.size());
    const auto rank = static_cast<std::size_t>(std::ceil(of_all - 1e-6));
    const std::int64_t exact = values[rank - 1];
    const std::int64_t told = of.percentile(percent).count();
    CAPTURE(percent);
    CHECK(told >= exact);
    CHECK(static_cast<double>(told) <= static_cast<double>(exact) * 1.001);
  }
  CHECK(of.max().count() == values.back());
  CHECK(of.percentile(100) == of.max());
}

TEST_CASE("values on both sides of a power of two keep their order and their precision") {
  for (const std::int64_t around : {2048, 4096, 1 << 20, 1 << 30}) {
    for (const std::int64_t value : std::vector<std::int64_t>{around - 1, around, around + 1}) {
      histogram one;
      one.record(nanoseconds(value));
      one.record(nanoseconds(value * 3));  // so that the maximum does not hide the part's end
      CAPTURE(value);
      CHECK(one.percentile(50).count() >= value);
      CHECK(static_cast<double>(one.percentile(50).count()) <= static_cast<double>(value) * 1.001);
    }
  }
}

TEST_CASE("what is beyond the range is counted in its last part, with the exact maximum") {
  histogram of;
  const std::chrono::hours day(24);
  of.record(day);
  of.record(nanoseconds(-5));
  CHECK(of.count() == 2);
  CHECK(of.max() == nanoseconds(day));
  CHECK(of.min() == nanoseconds(0));
  CHECK(of.percentile(100) == nanoseconds(histogram::value_max));
}

TEST_CASE("merging is recording both") {
  histogram left;
  histogram right;
  histogram both;
  for (int i = 0; i < 5'000; ++i) {
    histogram& one = i % 3 == 0 ? left : right;
    one.record(nanoseconds(i * 977));
    both.record(nanoseconds(i * 977));
  }
  left.merge(right);
  left.merge(histogram());
  CHECK(left.count() == both.count());
  CHECK(left.min() == both.min());
  CHECK(left.max() == both.max());
  CHECK(left.mean() == both.mean());
  for (const double percent : {25.0, 50.0, 75.0, 99.0})
    CHECK(left.percentile(percent) == both.percentile(percent));
}

}  // namespace
}  // namespace skald::cli::bench
