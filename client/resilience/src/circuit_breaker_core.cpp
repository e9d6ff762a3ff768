#include "client/resilience/src/circuit_breaker_core.hpp"

#include <algorithm>
#include <utility>

namespace skald::resilience::detail {

namespace {

double percent(std::uint32_t part, std::uint32_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::uint32_t minimum_of(const circuit_breaker_config& config) {
  // A window of fewer calls never holds the minimum, and would never open.
  return config.sliding_window_type == window_type::count_based
             ? std::min(config.minimum_number_of_calls, config.sliding_window_size)
             : config.minimum_number_of_calls;
}

}  // namespace

circuit_breaker_core::circuit_breaker_core(const circuit_breaker_config& config, steady_time now)
    : failure_rate_threshold_(config.failure_rate_threshold),
      slow_call_rate_threshold_(config.slow_call_rate_threshold),
      slow_after_(config.slow_call_duration_threshold),
      minimum_calls_(minimum_of(config)),
      wait_in_open_(config.wait_duration_in_open_state),
      probes_max_(config.permitted_number_of_calls_in_half_open_state),
      probe_wait_(config.max_wait_duration_in_half_open_state),
      since_(now),
      calls_(config.sliding_window_type, config.sliding_window_size),
      probes_(window_type::count_based, config.permitted_number_of_calls_in_half_open_state) {}

std::optional<circuit_breaker_core::ticket> circuit_breaker_core::try_acquire(steady_time now) {
  expire(now);
  const ticket one{.generation = generation_, .number = next_ticket_};
  switch (state_) {
    case breaker_state::closed:
    case breaker_state::disabled:
      ++next_ticket_;
      return one;
    case breaker_state::half_open:
      if (probing_.size() + probes_.counts(now).calls < probes_max_) {
        probing_.emplace(next_ticket_++, now);
        return one;
      }
      break;
    case breaker_state::open:
    case breaker_state::forced_open:
      break;
  }
  ++totals_.not_permitted_total;
  return std::nullopt;
}

// What the passing of time alone changes.
void circuit_breaker_core::expire(steady_time now) {
  if (state_ == breaker_state::open && now - since_ >= wait_in_open_)
    transition_to(breaker_state::half_open, now);
  while (state_ == breaker_state::half_open && !probing_.empty() &&
         now - probing_.begin()->second >= probe_wait_) {
    // Tickets are numbered as they are given, so that the first is the oldest.
    probing_.erase(probing_.begin());
    ++totals_.overdue_total;
    record_here(true, true, now);
  }
}

void circuit_breaker_core::record(ticket of, bool failed, std::chrono::nanoseconds took, steady_time now) {
  ++(failed ? totals_.failed_total : totals_.successful_total);
  expire(now);
  if (of.generation != generation_ || state_ == breaker_state::disabled) return;
  const bool overdue = state_ == breaker_state::half_open && probing_.erase(of.number) == 0;
  if (!overdue) record_here(failed, took > slow_after_, now);
}

void circuit_breaker_core::ignore(ticket of) {
  ++totals_.ignored_total;
  release(of);
}

void circuit_breaker_core::release(ticket of) {
  if (of.generation == generation_) probing_.erase(of.number);
}

void circuit_breaker_core::record_here(bool failed, bool slow, steady_time now) {
  window().record(failed, slow, now);
  conclude(now);
}

void circuit_breaker_core::conclude(steady_time now) {
  const call_counts counts = window().counts(now);
  if (counts.calls < minimum()) return;
  if (over_threshold(counts))
    transition_to(breaker_state::open, now);
  else if (state_ == breaker_state::half_open)
    transition_to(breaker_state::closed, now);
}

bool circuit_breaker_core::over_threshold(const call_counts& counts) const {
  return percent(counts.failed, counts.calls) >= failure_rate_threshold_ ||
         percent(counts.slow, counts.calls) >= slow_call_rate_threshold_;
}

std::uint32_t circuit_breaker_core::minimum() const {
  return state_ == breaker_state::half_open ? probes_max_ : minimum_calls_;
}

void circuit_breaker_core::transition_to(breaker_state to, steady_time now) {
  if (to != state_) {
    ++totals_.transitions;
    transitions_.push_back({.from = state_, .to = to, .number = totals_.transitions});
  }
  state_ = to;
  since_ = now;
  ++generation_;
  calls_.clear();
  probes_.clear();
  probing_.clear();
}

circuit_breaker_metrics circuit_breaker_core::metrics(steady_time now) {
  circuit_breaker_metrics result = totals_;
  const call_counts counts = window().counts(now);
  result.state = state_;
  result.since = since_;
  result.buffered_calls = counts.calls;
  result.failed_calls = counts.failed;
  result.slow_calls = counts.slow;
  result.probes_in_flight = static_cast<std::uint32_t>(probing_.size());
  if (counts.calls > 0 && counts.calls >= minimum()) {
    result.failure_rate = percent(counts.failed, counts.calls);
    result.slow_call_rate = percent(counts.slow, counts.calls);
  }
  return result;
}

std::vector<state_transition> circuit_breaker_core::take_transitions() {
  return std::exchange(transitions_, {});
}

}  // namespace skald::resilience::detail
