// Quantiles of durations from a fixed kilobyte: counts in buckets that grow with the value, four to each
// power of two, so that a quantile is at most a quarter too large.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace skald::delivery {

class latency_histogram {
 public:
  using microseconds = std::chrono::microseconds;

  void record(std::chrono::steady_clock::duration took) {
    const auto counted = std::chrono::duration_cast<microseconds>(took).count();
    const std::uint64_t value = counted < 0 ? 0 : static_cast<std::uint64_t>(counted);
    ++buckets_[bucket_of(std::min(value, largest))];
    ++count_;
    max_ = std::max(max_, value);
  }

  std::uint64_t count() const { return count_; }
  microseconds max() const { return microseconds(max_); }

  // What `share` (0 to 1) of the durations do not exceed; 0 without any.
  microseconds quantile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > 0 && seen >= wanted) return microseconds(std::min(last_of(i), max_));
    }
    return microseconds(0);
  }

 private:
  static constexpr unsigned octaves = 33;  // beyond an hour all durations are alike
  static constexpr std::uint64_t largest = (std::uint64_t{1} << octaves) - 1;

  // The exponent and the two bits after the leading one.
  static std::size_t bucket_of(std::uint64_t value) {
    if (value < 4) return static_cast<std::size_t>(value);
    const auto exponent = static_cast<unsigned>(std::bit_width(value)) - 1;
    return 4 * (exponent - 1) + static_cast<std::size_t>((value >> (exponent - 2)) & 3);
  }
  static std::uint64_t last_of(std::size_t bucket) {
    if (bucket < 4) return bucket;
    const std::size_t exponent = bucket / 4 + 1;
    return ((4 + bucket % 4 + 1) << (exponent - 2)) - 1;
  }

  std::array<std::uint64_t, std::size_t{4} * (octaves - 1)> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace skald::delivery
