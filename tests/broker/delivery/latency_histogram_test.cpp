#include "broker/delivery/latency_histogram.hpp"

#include <doctest/doctest.h>

namespace skald::delivery {
namespace {

using std::chrono::microseconds;

TEST_CASE("without durations every quantile is 0") {
  CHECK(latency_histogram().quantile(0.99) == microseconds(0));
}

TEST_CASE("a quantile is at most a quarter too large, and never beyond the largest") {
  latency_histogram of;
  for (int i = 1; i <= 10'000; ++i) of.record(microseconds(i));
  for (const double share : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const double exact = share * 10'000;
    const auto told = static_cast<double>(of.quantile(share).count());
    CAPTURE(share);
    CHECK(told >= exact);
    CHECK(told <= 1.25 * exact + 1);
  }
  CHECK(of.quantile(1) == microseconds(10'000));
  CHECK(of.max() == microseconds(10'000));
}

TEST_CASE("extreme durations are counted, not lost") {
  latency_histogram of;
  of.record(microseconds(-5));
  of.record(microseconds(0));
  of.record(std::chrono::hours(24 * 365));
  CHECK(of.count() == 3);
  CHECK(of.quantile(0.5) == microseconds(0));
  CHECK(of.quantile(1) > std::chrono::hours(1));
}

}  // namespace
}  // namespace skald::delivery
