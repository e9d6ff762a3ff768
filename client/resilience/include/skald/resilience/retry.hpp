// Retry: makes a failed call again, after a wait, so many times, and as long as the budget allows.
//
//   resilience::retry again({.max_attempts = 4, .budget = resilience::retry_budget()});
//   const auto price = co_await again.run([&] { return broker.request("price", sku, {.timeout = 500ms}); });
//
// The operation may happen more than once: retry what bears that. publish() and commit() need no retry for
// lost connections, the client repeats those itself and never twice.
//
// Threading: thread safe. Copies are handles of one retry, and share its counts.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <skald/resilience/backoff.hpp>
#include <skald/resilience/refusal.hpp>
#include <skald/resilience/retry_budget.hpp>

namespace skald::resilience {

struct retry_config {
  std::string name = "retry";
  std::uint32_t max_attempts = 3;  // the first included
  exponential_backoff wait = {};
  std::function<bool(const std::exception_ptr&)> retry_on = may_pass;
  std::optional<retry_budget> budget = {};
};

// Of calls, not of attempts; those on their way are in none of the first four.
struct retry_metrics {
  std::uint64_t successful_calls_without_retry = 0;
  std::uint64_t successful_calls_with_retry = 0;
  std::uint64_t failed_calls_without_retry = 0;
  std::uint64_t failed_calls_with_retry = 0;
  std::uint64_t retries = 0;
  std::uint64_t retries_out_of_budget = 0;  // not made, because the budget was empty
};

struct retry_attempt {
  std::uint32_t attempt = 0;  // that failed, from 1
  std::chrono::nanoseconds wait{0};
  std::exception_ptr why = {};
};

class retry {
 public:
  // Throws skald::error (invalid_settings).
  explicit retry(retry_config config = {});

  // Gives what the first successful attempt gives, or throws what the last one threw. Cancelled while it
  // waits it throws errc::cancelled.
  template <class Operation>
  std::invoke_result_t<Operation&> run(Operation operation) const {
    return repeated(*this, std::move(operation));
  }

  const std::string& name() const;
  retry_metrics metrics() const;

  // Called before each wait, by the thread that will wait; it must not throw. Set it before the first run().
  void on_retry(std::function<void(const retry_attempt&)> observer);

 private:
  struct shared;

  // Whether to try again, and after which wait; counts.
  std::optional<std::chrono::nanoseconds> next_wait(std::uint32_t attempt,
                                                    const std::exception_ptr& why) const;
  void begin() const;
  void count_success(std::uint32_t attempts) const;
  static boost::asio::awaitable<void> pause(std::chrono::nanoseconds wait);

  template <class Operation>
  static std::invoke_result_t<Operation&> repeated(retry self, Operation operation) {
    self.begin();
    for (std::uint32_t attempt = 1;; ++attempt) {
      std::exception_ptr failed;
      try {
        if constexpr (std::is_void_v<typename std::invoke_result_t<Operation&>::value_type>) {
          co_await operation();
          self.count_success(attempt);
          co_return;
        } else {
          auto result = co_await operation();
          self.count_success(attempt);
          co_return result;
        }
      } catch (...) {
        failed = std::current_exception();
      }
      const auto wait = self.next_wait(attempt, failed);
      if (!wait) std::rethrow_exception(failed);
      co_await pause(*wait);
    }
  }

  std::shared_ptr<shared> shared_;
};

}  // namespace skald::resilience
