// The state machine of a circuit breaker, without clock, lock or threads: every call says what time it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "client/resilience/src/sliding_window.hpp"

namespace skald::resilience::detail {

class circuit_breaker_core {
 public:
  // A call's right to go through: the state (counted) that it was given in, and its number there.
  struct ticket {
    std::uint64_t generation = 0;
    std::uint64_t number = 0;
  };

  circuit_breaker_core(const circuit_breaker_config& config, steady_time now);

  // nullopt: not permitted, and counted as such.
  std::optional<ticket> try_acquire(steady_time now);
  // The call has ended: with an outcome, or with nothing to conclude from. Once for each ticket.
  void record(ticket of, bool failed, std::chrono::nanoseconds took, steady_time now);
  void ignore(ticket of);
  // The call ended unknown to anybody, or never began.
  void release(ticket of);

  void transition_to(breaker_state to, steady_time now);
  breaker_state state() const { return state_; }
  circuit_breaker_metrics metrics(steady_time now);

  // Those since the last time this was asked.
  std::vector<state_transition> take_transitions();

 private:
  void expire(steady_time now);
  void record_here(bool failed, bool slow, steady_time now);
  void conclude(steady_time now);
  bool over_threshold(const call_counts& counts) const;
  sliding_window& window() { return state_ == breaker_state::half_open ? probes_ : calls_; }
  std::uint32_t minimum() const;

  double failure_rate_threshold_;
  double slow_call_rate_threshold_;
  std::chrono::nanoseconds slow_after_;
  std::uint32_t minimum_calls_;
  std::chrono::nanoseconds wait_in_open_;
  std::uint32_t probes_max_;
  std::chrono::nanoseconds probe_wait_;

  breaker_state state_ = breaker_state::closed;
  steady_time since_;
  std::uint64_t generation_ = 0;  // counts transitions
  std::uint64_t next_ticket_ = 0;
  sliding_window calls_;
  sliding_window probes_;
  std::map<std::uint64_t, steady_time> probing_;  // in half-open: those on their way, and since when
  circuit_breaker_metrics totals_;                // only the totals of it
  std::vector<state_transition> transitions_;
};

}  // namespace skald::resilience::detail
