// The periods and permissions of a rate limiter, without clock or lock. The algorithm is that of
// Resilience4j's AtomicRateLimiter: permissions may be negative, which is what later periods owe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace skald::resilience::detail {

class rate_limiter_core {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using nanoseconds = std::chrono::nanoseconds;

  rate_limiter_core(std::uint32_t limit, nanoseconds period, time_point now)
      : limit_(limit), period_(period), start_(now), permissions_(limit) {}

  // Reserves a permission: how long until it may be used. nullopt: longer than `patience`; nothing is
  // reserved.
  std::optional<nanoseconds> reserve(time_point now, nanoseconds patience);
  std::int64_t available(time_point now);

 private:
  void refresh(time_point now);

  std::int64_t limit_;
  nanoseconds period_;
  time_point start_;
  std::int64_t cycle_ = 0;
  std::int64_t permissions_;
};

}  // namespace skald::resilience::detail
