// How long to wait before the next attempt: exponentially longer, and at random around that.
#pragma once

#include <chrono>
#include <cstdint>

namespace skald::resilience {

using std::chrono::milliseconds;

// The wait after the first attempt is initial_interval, after each further one `multiplier` times as long, at
// most max_interval. Each is then spread evenly over +/- randomization_factor of itself, so that many callers
// that failed together do not come back together.
struct exponential_backoff {
  milliseconds initial_interval{100};
  double multiplier = 2;
  milliseconds max_interval{10'000};
  double randomization_factor = 0.5;  // 0 to 1

  // `attempt` is the number of the one that failed, from 1; `random` is from [0, 1).
  std::chrono::nanoseconds wait_after(std::uint32_t attempt, double random) const;
};

}  // namespace skald::resilience
