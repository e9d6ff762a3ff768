// What the main thread and the workers of a run tell each other.
//
// A run goes through these states, each worker by itself:
//
//   preparing   it connects, subscribes and says ready()
//   running     begun by begin(), with the times from when and until when latencies count
//   finishing   the main thread says so: what is under way is waited for, nothing new is begun
//
// Threading: everything may be called from any thread, except where it says otherwise. Counters are written
// by one worker each, and read by the main thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "tools/bench/schedule.hpp"

namespace skald::cli::bench {

// What one worker has done since it began.
struct alignas(64) counter {
  std::atomic<std::uint64_t> records{0};
  std::atomic<std::uint64_t> bytes{0};

  // By its one writer.
  void add(std::uint64_t more_records, std::uint64_t more_bytes) noexcept {
    records.store(records.load(std::memory_order_relaxed) + more_records, std::memory_order_relaxed);
    bytes.store(bytes.load(std::memory_order_relaxed) + more_bytes, std::memory_order_relaxed);
  }
};

// When latencies count. Set before the workers run.
struct window {
  steady::time_point start;  // of everything
  steady::time_point from;   // start and warm-up
  steady::time_point until;  // the far future when a number of records ends it

  bool covers(steady::time_point at) const { return at >= from && at < until; }
};

class control {
 public:
  // Of workers: a worker is ready to begin; it has no more to do; it cannot go on (which
  // counts unless the run is stopping already).
  void ready();
  void done();
  void fail(std::exception_ptr why);

  // Of anybody, such as a signal: end early.
  void stop();

  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  std::exception_ptr failure() const;

  // Of the main thread, while no worker runs: others are going to.
  void next_workers();
  // Of the main thread: each returns early, with false, when the run is to stop.
  bool wait_ready(std::size_t workers);
  bool wait_done(std::size_t workers, steady::time_point at_most);
  bool wait_until(steady::time_point at);

  // Of the main thread, while no worker runs.
  void set(const window& times) { times_ = times; }
  const window& times() const { return times_; }

 private:
  mutable std::mutex mutex_;  // guards what follows, up to the blank line
  std::condition_variable changed_;
  std::size_t ready_ = 0;
  std::size_t done_ = 0;
  std::exception_ptr failure_;

  std::atomic<bool> stopping_{false};
  window times_;
};

// What one producer has sent and not got rid of yet. The producer waits while that is too much; whoever
// completes it, on any thread, wakes it.
class flow {
 public:
  // `completions` of each record, such as one by every reader of a fan-out, make it complete.
  explicit flow(std::uint64_t completions = 1) : completions_(completions) {}

  // Of the producer: how many of `sent` are under way.
  std::uint64_t under_way(std::uint64_t sent) const {
    return sent - completed_.load(std::memory_order_seq_cst) / completions_;
  }
  // Of the producer: it is going to wait, and looks once more whether it must.
  void announce_wait() { waiting_.store(true, std::memory_order_seq_cst); }
  void complete(std::uint64_t more) {
    completed_.fetch_add(more, std::memory_order_seq_cst);
    if (waiting_.exchange(false, std::memory_order_seq_cst) && wake) wake();
  }

  std::function<void()> wake;  // set before the run; called on the completing thread

 private:
  std::uint64_t completions_;
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<bool> waiting_{false};
};

}  // namespace skald::cli::bench
