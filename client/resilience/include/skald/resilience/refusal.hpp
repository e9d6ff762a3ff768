// How guards fail a call that they do not let through, and what is understood to be a failure of the callee.
//
// A refused call was never begun. Refusals are skald::errors, so that code that handles a failing request
// handles them as well; their code is errc::overloaded.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include <skald/protocol/error.hpp>

namespace skald::resilience {

class refusal : public error {
 public:
  explicit refusal(const std::string& message) : error(errc::overloaded, message) {}
};

// The circuit breaker is open, or all its probes are on their way.
class call_not_permitted : public refusal {
  using refusal::refusal;
};

// All places are taken, and none became free in time.
class bulkhead_full : public refusal {
  using refusal::refusal;
};

// The rate limiter has no permission to give within its timeout.
class request_not_permitted : public refusal {
  using refusal::refusal;
};

// What a call's end says about the callee.
enum class verdict : std::uint8_t { success, failure, ignored };

// The default of circuit_breaker_config::judge: an exception is a failure of the callee, except that nothing
// is concluded from a call that was cancelled, closed by its own side, or refused by another guard. A service
// that refuses for reasons of business (insufficient credit) is not failing: say so with a judge of your own.
verdict judge_call(const std::exception_ptr& failed);

// The default of retry_config::retry_on: what may pass by itself, such as a lost connection or responder, a
// deadline, or a broker that is overloaded. Not a refusal by a guard.
bool may_pass(const std::exception_ptr& failed);

}  // namespace skald::resilience
