#include "tools/bench/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

namespace skald::cli::bench {
namespace {

constexpr int exact_bits = 11;                                     // below 2^11 every value has a count
constexpr std::size_t parts = std::size_t{1} << (exact_bits - 1);  // of each power of two above

// Continuous at 2^11: the first part of the first divided power follows the last exact value.
std::size_t index_of(std::uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - exact_bits);
  return static_cast<std::size_t>(shift) * parts + static_cast<std::size_t>(value >> shift);
}

// The largest value with this index.
std::int64_t highest_of(std::size_t index) {
  if (index < 2 * parts) return static_cast<std::int64_t>(index);
  const std::size_t shift = index / parts - 1;
  return static_cast<std::int64_t>(((index - shift * parts + 1) << shift) - 1);
}

}  // namespace

histogram::histogram() : counts_(index_of(static_cast<std::uint64_t>(value_max)) + 1) {}

void histogram::record(nanoseconds value) noexcept {
  const std::int64_t exact = std::max<std::int64_t>(0, value.count());
  ++counts_[index_of(static_cast<std::uint64_t>(std::min(exact, value_max)))];
  min_ = count_ == 0 ? exact : std::min(min_, exact);
  max_ = std::max(max_, exact);
  sum_ += static_cast<double>(exact);
  ++count_;
}

void histogram::merge(const histogram& other) noexcept {
  if (other.empty()) return;
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  min_ = empty() ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
  count_ += other.count_;
}

histogram::nanoseconds histogram::mean() const {
  return nanoseconds(empty() ? 0 : std::llround(sum_ / static_cast<double>(count_)));
}

histogram::nanoseconds histogram::percentile(double percent) const {
  if (empty()) return nanoseconds(0);
  // 99.9 % of 1000 are 999, although 0.999 * 1000 is a little more in binary.
  constexpr double rounding = 1 - 1e-12;
  const double exact = std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(count_);
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(exact * rounding)));
  std::uint64_t passed = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    passed += counts_[i];
    if (passed >= rank) return nanoseconds(std::min(highest_of(i), max_));
  }
  return max();
}

}  // namespace skald::cli::bench
