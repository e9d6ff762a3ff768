// The time limiter: a call that takes too long is cancelled, and has failed.
//
//   const resilience::time_limiter at_most({.timeout_duration = 2s});
//   co_await at_most.run([&] { return many_steps(broker); });
//
// Requests of the client have timeouts of their own, which travel with them; this is for what consists of
// several, or has none. It cancels the operation and waits until that has ended, so that nothing goes on
// behind the caller's back: an operation that cannot be cancelled is not cut short. One that ends well
// nevertheless has succeeded.
//
// Threading: thread safe, and without state besides its counts. Copies are handles of one limiter. The
// operation runs on the executor of the coroutine that awaits it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <skald/resilience/refusal.hpp>

namespace skald::resilience {

using std::chrono::milliseconds;

struct time_limiter_config {
  std::string name = "time limiter";
  milliseconds timeout_duration{1'000};
};

struct time_limiter_metrics {
  std::uint64_t successful_total = 0;
  std::uint64_t failed_total = 0;  // by themselves
  std::uint64_t timed_out_total = 0;
};

class time_limiter {
 public:
  // Throws skald::error (invalid_settings).
  explicit time_limiter(time_limiter_config config = {});

  // Throws skald::error (deadline_exceeded) when the time was over first.
  template <class Operation>
  std::invoke_result_t<Operation&> run(Operation operation) const {
    return limited(*this, std::move(operation));
  }

  const std::string& name() const;
  time_limiter_metrics metrics() const;

 private:
  struct shared;
  enum class ending : std::uint8_t { successful, failed, timed_out };

  milliseconds duration() const;
  void count(ending how) const;
  [[noreturn]] void fail(bool timed_out, const std::exception_ptr& why) const;

  // What travels through the parallel group has to be default constructible.
  template <class T>
  using carried = std::conditional_t<std::is_void_v<T>, std::monostate, std::optional<T>>;

  template <class Operation, class T>
  static boost::asio::awaitable<carried<T>> carry(Operation& operation) {
    if constexpr (std::is_void_v<T>) {
      co_await operation();
      co_return std::monostate();
    } else {
      co_return std::optional<T>(co_await operation());
    }
  }

  template <class Operation>
  static std::invoke_result_t<Operation&> limited(time_limiter self, Operation operation) {
    namespace asio = boost::asio;
    using result = typename std::invoke_result_t<Operation&>::value_type;
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, self.duration());
    auto race = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, carry<Operation, result>(operation), asio::deferred),
        timer.async_wait(asio::deferred));
    auto [order, failed, value, interrupted] =
        co_await race.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (failed) self.fail(!interrupted, failed);
    self.count(ending::successful);
    if constexpr (!std::is_void_v<result>) co_return std::move(*value);
  }

  std::shared_ptr<shared> shared_;
};

}  // namespace skald::resilience
