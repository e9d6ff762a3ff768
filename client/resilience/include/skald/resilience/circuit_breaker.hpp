// The circuit breaker: stops calling what keeps failing, and finds out with a few probes when it is well
// again.
//
//   resilience::circuit_breaker prices({.name = "prices", .wait_duration_in_open_state = 5s});
//   const auto price = co_await prices.run([&] { return broker.request("price", sku, {.timeout = 500ms}); });
//
// States and names are those of Resilience4j. CLOSED: calls go through, their outcomes gather in a sliding
// window; when it holds enough calls and the rate of failed or of slow ones reaches its threshold, the
// breaker opens. OPEN: calls are refused; after the wait, the next call makes it half-open. HALF_OPEN: so
// many probes go through; when each has an outcome, their rates decide between closed and open. FORCED_OPEN
// refuses and DISABLED admits everything, without conclusions, until told otherwise.
//
// Probes never leak. A place in half-open is held by a permission: one that ends without an outcome, because
// the call was cancelled, judged `ignored` or its coroutine destroyed, gives its place back; one that ends
// not at all counts as failed after max_wait_duration_in_half_open_state. An outcome that arrives in a later
// state than its permission was given in changes nothing but the totals.
//
// Threading: thread safe. Copies are handles of one breaker. Time is std::chrono::steady_clock's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <skald/resilience/refusal.hpp>

namespace skald::resilience {

using std::chrono::milliseconds;
using steady_time = std::chrono::steady_clock::time_point;

enum class breaker_state : std::uint8_t { closed, open, half_open, forced_open, disabled };
std::string_view to_string(breaker_state state) noexcept;

enum class window_type : std::uint8_t {
  count_based,  // the last sliding_window_size calls
  time_based,   // the calls of the last sliding_window_size seconds
};

struct circuit_breaker_config {
  std::string name = "circuit breaker";
  // In percent, over 0 to 100, of the calls in the window.
  double failure_rate_threshold = 50;
  double slow_call_rate_threshold = 100;
  // A call that takes longer is slow, whether it fails or not.
  milliseconds slow_call_duration_threshold{60'000};
  window_type sliding_window_type = window_type::count_based;
  std::uint32_t sliding_window_size = 100;
  // With fewer calls in the window there are no rates. At most the size of a window that counts.
  std::uint32_t minimum_number_of_calls = 100;
  milliseconds wait_duration_in_open_state{60'000};
  std::uint32_t permitted_number_of_calls_in_half_open_state = 10;
  // How long a single probe may be on its way before it counts as failed.
  milliseconds max_wait_duration_in_half_open_state{60'000};
  std::function<verdict(const std::exception_ptr&)> judge = judge_call;
};

struct circuit_breaker_metrics {
  breaker_state state = breaker_state::closed;
  steady_time since = {};  // when it came into this state
  // Of the window of this state, in percent; absent with too few calls.
  std::optional<double> failure_rate = {};
  std::optional<double> slow_call_rate = {};
  std::uint32_t buffered_calls = 0;
  std::uint32_t failed_calls = 0;
  std::uint32_t slow_calls = 0;
  std::uint32_t probes_in_flight = 0;
  // Since the breaker was made.
  std::uint64_t successful_total = 0;
  std::uint64_t failed_total = 0;
  std::uint64_t ignored_total = 0;
  std::uint64_t not_permitted_total = 0;
  std::uint64_t overdue_total = 0;  // probes that counted as failed because they took too long
  std::uint64_t transitions = 0;
};

struct state_transition {
  breaker_state from = breaker_state::closed;
  breaker_state to = breaker_state::closed;
  // 1 for the first of this breaker. Observers in several threads may see transitions out of order.
  std::uint64_t number = 0;
};

class circuit_breaker {
 public:
  // Throws skald::error (invalid_settings) for thresholds or sizes that are out of range.
  explicit circuit_breaker(circuit_breaker_config config = {});

  // The right to make one call, whose duration counts from acquire(). Tell it once how the call ended;
  // destroying it untold gives the right back. It may outlive the breaker's handles. One thread at a time.
  class permission {
   public:
    ~permission();
    permission(permission&&) noexcept;
    permission& operator=(permission&&) = delete;
    void succeed();
    // Asks the judge what the exception means.
    void fail(const std::exception_ptr& why);

   private:
    friend class circuit_breaker;
    struct held;
    explicit permission(std::unique_ptr<held> what);
    std::unique_ptr<held> held_;  // null once told
  };

  // Throws call_not_permitted.
  permission acquire() const;
  // nullopt: the call is not permitted.
  std::optional<permission> try_acquire() const;

  // Makes the call if it is permitted. `operation()` gives an awaitable; it is kept until that has ended.
  template <class Operation>
  std::invoke_result_t<Operation&> run(Operation operation) const {
    return guarded(*this, std::move(operation));
  }

  const std::string& name() const;
  breaker_state state() const;
  circuit_breaker_metrics metrics() const;

  // Called after each transition, without any lock held, by the thread that caused it; it must not throw. Set
  // it before the breaker is used.
  void on_state_transition(std::function<void(const state_transition&)> observer);

  // Moves to a state, with an empty window. From forced_open and disabled only these lead out.
  void transition_to(breaker_state state);

 private:
  struct shared;

  template <class Operation>
  static std::invoke_result_t<Operation&> guarded(circuit_breaker self, Operation operation) {
    permission allowed = self.acquire();
    std::exception_ptr failed;
    try {
      if constexpr (std::is_void_v<typename std::invoke_result_t<Operation&>::value_type>) {
        co_await operation();
        allowed.succeed();
        co_return;
      } else {
        auto result = co_await operation();
        allowed.succeed();
        co_return result;
      }
    } catch (...) {
      failed = std::current_exception();
    }
    allowed.fail(failed);
    std::rethrow_exception(failed);
  }

  std::shared_ptr<shared> shared_;
};

}  // namespace skald::resilience
