// When each record of a run with a target rate is due, whatever became of those before it. Latencies are
// measured from there: a broker that stalls for a second has made every record due in it late, not just the
// one that it was stalled on. (Gil Tene calls the mistake "coordinated omission".)
#pragma once

#include <chrono>
#include <cstdint>

namespace skald::cli::bench {

using steady = std::chrono::steady_clock;

class schedule {
 public:
  // The part of the `index`th of `of` producers, which take turns at `per_second` in all.
  schedule(double per_second, std::uint32_t index, std::uint32_t of, steady::time_point start)
      : interval_ns_(1e9 / per_second), index_(index), of_(of), start_(start) {}

  // The time for this producer's `number`th record, counted from 0.
  steady::time_point due(std::uint64_t number) const {
    const double turn = static_cast<double>(number) * of_ + index_;
    return start_ + std::chrono::nanoseconds(static_cast<std::int64_t>(turn * interval_ns_));
  }

 private:
  double interval_ns_;
  std::uint32_t index_;
  std::uint32_t of_;
  steady::time_point start_;
};

}  // namespace skald::cli::bench
