// An io_context, and the running of coroutines on it.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <skald/protocol/error.hpp>
#include <utility>
#include <vector>

namespace skald::resilience::test {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// How long a test waits for what must happen; only a failing test takes that long.
inline constexpr auto patience = 30s;

struct coroutines {
  asio::io_context io;

  template <class Condition>
  void until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    io.restart();
    while (!condition() && std::chrono::steady_clock::now() < deadline) io.run_one_for(100ms);
    REQUIRE(condition());
  }

  // What the coroutine gives, or throws.
  template <class T>
  T get(asio::awaitable<T> work) {
    std::optional<std::exception_ptr> ended;
    std::optional<T> result;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr why, T value) {
      result = std::move(value);
      ended = why;
    });
    until([&] { return ended.has_value(); });
    if (*ended) std::rethrow_exception(*ended);
    return std::move(*result);
  }

  static errc code_in(const std::exception_ptr& why) {
    try {
      if (why) std::rethrow_exception(why);
    } catch (const error& known) {
      return static_cast<errc>(known.code().value());
    } catch (...) {
      return errc::internal_error;
    }
    return errc::ok;
  }

  // The code of the skald::error that it throws; ok if it throws nothing.
  template <class T>
  errc code_of(asio::awaitable<T> work) {
    try {
      get(std::move(work));
    } catch (...) {
      return code_in(std::current_exception());
    }
    return errc::ok;
  }

  // The same, of work that is cancelled once the condition holds and nothing more happens by itself.
  template <class T, class Condition>
  errc code_when_cancelled(asio::awaitable<T> work, Condition condition) {
    asio::cancellation_signal cancel;
    std::optional<std::exception_ptr> ended;
    asio::co_spawn(
        io, std::move(work),
        asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr why, const T&) { ended = why; }));
    until(condition);
    io.poll();
    cancel.emit(asio::cancellation_type::terminal);
    until([&] { return ended.has_value(); });
    return code_in(*ended);
  }
};

// Something that goes on until it is told how to end, or cancelled.
struct held_call {
  explicit held_call(asio::io_context& io) : timer(io, asio::steady_timer::time_point::max()) {}

  asio::awaitable<int> call() {
    ++begun;
    boost::system::error_code interrupted;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, interrupted));
    if (!finished) throw error(errc::cancelled, "cancelled");
    co_return 1;
  }
  void finish() {
    finished = true;
    timer.cancel();
  }

  asio::steady_timer timer;
  int begun = 0;
  bool finished = false;
};

}  // namespace skald::resilience::test
