// Latencies, counted so that every percentile is right to three digits.
//
// The layout is that of Gil Tene's HdrHistogram (https://hdrhistogram.github.io/HdrHistogram/, "HdrHistogram:
// A High Dynamic Range Histogram"): values below 2048 have a count each; from there on every power of two is
// divided into 1024 equal parts, so that a value and its neighbours in the same part differ by less than
// 0.1 %. Nothing is sampled and nothing decays, and recording is one addition, without memory being
// allocated.
//
// It does not correct coordinated omission itself: whoever records measures from when an operation was due.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace skald::cli::bench {

class histogram {
 public:
  using nanoseconds = std::chrono::nanoseconds;

  // A value beyond this (73 minutes) is counted as if it were this; max() is exact nevertheless.
  static constexpr std::int64_t value_max = (std::int64_t{1} << 42) - 1;

  histogram();

  // Negative values count as 0: clocks of one machine do not run backwards, and the sum stays right.
  void record(nanoseconds value) noexcept;
  void merge(const histogram& other) noexcept;

  std::uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  nanoseconds max() const { return nanoseconds(max_); }
  nanoseconds min() const { return nanoseconds(count_ == 0 ? 0 : min_); }
  nanoseconds mean() const;
  // The least value that at least `percent` of all are not above, rounded up within its part; 0 without any.
  nanoseconds percentile(double percent) const;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace skald::cli::bench
