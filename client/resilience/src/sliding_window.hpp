// The last calls: so many of them, or those of so many seconds. Pure; time is a parameter.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <skald/resilience/circuit_breaker.hpp>

namespace skald::resilience::detail {

struct call_counts {
  std::uint32_t calls = 0;
  std::uint32_t failed = 0;
  std::uint32_t slow = 0;
};

class sliding_window {
 public:
  // `size` is a number of calls or of seconds, at least 1.
  sliding_window(window_type type, std::uint32_t size);

  void record(bool failed, bool slow, steady_time now);
  // What it holds now. Time that went backwards counts as standing still.
  call_counts counts(steady_time now);
  void clear();

 private:
  // What the ring holds: of a window that counts, one call each; of a timed one, the calls of one second.
  struct slot {
    call_counts counts;
  };
  void advance_to(std::int64_t second);
  void drop(slot& from);

  window_type type_;
  std::vector<slot> ring_;
  std::size_t at_ = 0;       // count based: where the next call goes; time based: the newest second
  std::int64_t second_ = 0;  // time based: which second that is
  call_counts total_;
};

}  // namespace skald::resilience::detail
