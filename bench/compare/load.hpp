// What the workloads share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/compare/measure.hpp"
#include "bench/compare/peer.hpp"
#include "bench/compare/records.hpp"

namespace skald::bench::compare {

using clock = std::chrono::steady_clock;

inline constexpr milliseconds patience{10'000};  // with a broker from which nothing comes
inline constexpr milliseconds turn{20};          // how long a thread waits before it looks around

double seconds_since(clock::time_point start);

// Threads that work for one measurement. The first failure stops all of them.
class crew {
 public:
  crew() = default;
  // Stops them.
  ~crew();
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  // Calls `step` over and over until stopped or until it returns false.
  void repeat(std::function<bool()> step);
  // Throws what a thread has failed with; also when the program is interrupted.
  void check();
  void stop() { stopped_ = true; }
  // Returns when all have ended; throws what one has failed with.
  void join();

 private:
  std::vector<std::thread> threads_;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;  // guards what follows
  std::exception_ptr failure_;
};

// A check that one thread feeds and others look at.
class watched_check {
 public:
  void saw(std::string_view record) {
    check_.saw(record);
    seen_.store(check_.seen(), std::memory_order_release);
  }
  std::uint64_t seen() const { return seen_.load(std::memory_order_acquire); }
  // Once nothing comes any more.
  std::string complaint(std::uint64_t written) const { return check_.complaint(written); }

 private:
  record_check check_;
  std::atomic<std::uint64_t> seen_ = 0;
};

// Returns true when `seen` has reached `wanted`, false when it has stood still for as long as the patience.
// Calls `meanwhile` now and then.
bool wait_until_seen(std::uint64_t wanted, const std::function<std::uint64_t()>& seen,
                     const std::function<void()>& meanwhile);

// Writes numbered records for how.time, at most how.bytes_max in all, and waits for their acknowledgements.
// Before each few, `go_on` may wait, or throw. Returns how many.
std::uint64_t write_for(writer& out, const task& how, const std::function<void(std::uint64_t sent)>& go_on);

}  // namespace skald::bench::compare
