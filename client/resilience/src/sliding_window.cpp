#include "client/resilience/src/sliding_window.hpp"

#include <algorithm>

namespace skald::resilience::detail {

namespace {

std::int64_t second_of(steady_time now) {
  return std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
}

void add(call_counts& to, const call_counts& what) {
  to.calls += what.calls;
  to.failed += what.failed;
  to.slow += what.slow;
}

}  // namespace

sliding_window::sliding_window(window_type type, std::uint32_t size) : type_(type), ring_(size) {}

void sliding_window::record(bool failed, bool slow, steady_time now) {
  const call_counts one{.calls = 1, .failed = failed ? 1u : 0u, .slow = slow ? 1u : 0u};
  if (type_ == window_type::count_based) {
    drop(ring_[at_]);
    ring_[at_].counts = one;
    at_ = (at_ + 1) % ring_.size();
  } else {
    advance_to(second_of(now));
    add(ring_[at_].counts, one);
  }
  add(total_, one);
}

call_counts sliding_window::counts(steady_time now) {
  if (type_ == window_type::time_based) advance_to(second_of(now));
  return total_;
}

void sliding_window::clear() {
  std::fill(ring_.begin(), ring_.end(), slot{});
  total_ = {};
  at_ = 0;
}

void sliding_window::advance_to(std::int64_t second) {
  if (total_.calls == 0) second_ = std::max(second_, second);
  // Past the ring's length every slot has been passed over once, and all is gone.
  auto steps = std::min<std::int64_t>(second - second_, static_cast<std::int64_t>(ring_.size()));
  for (; steps > 0; --steps) {
    at_ = (at_ + 1) % ring_.size();
    drop(ring_[at_]);
  }
  second_ = std::max(second_, second);
}

void sliding_window::drop(slot& from) {
  total_.calls -= from.counts.calls;
  total_.failed -= from.counts.failed;
  total_.slow -= from.counts.slow;
  from.counts = {};
}

}  // namespace skald::resilience::detail
