// The time limiter, and guards around guards.
#include <skald/resilience/resilience.hpp>
#include <stdexcept>
#include <string>

#include "tests/client/resilience/coroutines.hpp"

namespace skald::resilience::test {

namespace {

// Neither default constructible nor copyable.
struct particular {
  explicit particular(std::string given) : text(std::move(given)) {}
  particular(particular&&) = default;
  particular& operator=(particular&&) = default;
  std::string text;
};

asio::awaitable<particular> make(const std::string& text) {
  co_return particular(text);
}

}  // namespace

TEST_SUITE("compose") {
  TEST_CASE_FIXTURE(coroutines, "a call within its time is left alone") {
    const time_limiter limiter({.timeout_duration = 1h});
    const std::string text(100, 'x');
    CHECK(get([](const time_limiter& of, const std::string& what) -> asio::awaitable<std::string> {
            auto made = co_await of.run([&] { return make(what); });
            co_return made.text;
          }(limiter, text)) == text);
    CHECK(code_of(limiter.run([]() -> asio::awaitable<int> {
            throw error(errc::no_responders, "none");
            co_return 0;
          })) == errc::no_responders);
    CHECK(limiter.metrics().successful_total == 1);
    CHECK(limiter.metrics().failed_total == 1);
  }

  TEST_CASE_FIXTURE(coroutines, "a call that takes too long is cancelled") {
    const time_limiter limiter({.timeout_duration = 10ms});
    held_call held(io);
    CHECK(code_of(limiter.run([&] { return held.call(); })) == errc::deadline_exceeded);
    CHECK(held.begun == 1);
    CHECK(limiter.metrics().timed_out_total == 1);
  }

  TEST_CASE_FIXTURE(coroutines, "cancelled from outside it is no timeout") {
    const time_limiter limiter({.timeout_duration = 1h});
    held_call held(io);
    CHECK(code_when_cancelled(limiter.run([&] { return held.call(); }), [&] { return held.begun == 1; }) ==
          errc::cancelled);
    CHECK(limiter.metrics().timed_out_total == 0);
  }

  TEST_CASE_FIXTURE(coroutines, "every attempt asks the breaker, and an open one ends the retry") {
    const retry again({.max_attempts = 10, .wait = {.initial_interval = 0ms, .max_interval = 0ms}});
    const circuit_breaker breaker({.sliding_window_size = 3, .minimum_number_of_calls = 3});
    const bulkhead places({.max_concurrent_calls = 1});
    const auto guarded = compose(again, breaker, places);
    int calls = 0;
    const auto failing = [&]() -> asio::awaitable<void> {
      ++calls;
      throw error(errc::responder_lost, "gone");
      co_return;
    };
    CHECK(code_of([](auto of, auto work) -> asio::awaitable<int> {
            co_await of.run(work);
            co_return 0;
          }(guarded, failing)) == errc::overloaded);
    CHECK(calls == 3);
    CHECK(breaker.state() == breaker_state::open);
    CHECK(places.metrics().available_concurrent_calls == 1);
  }

  TEST_CASE_FIXTURE(coroutines, "a full bulkhead says nothing about the callee") {
    const circuit_breaker breaker({.sliding_window_size = 1, .minimum_number_of_calls = 1});
    const bulkhead places({.max_concurrent_calls = 1});
    const auto guarded = compose(breaker, places);
    const auto taken = places.try_acquire();
    held_call held(io);
    CHECK(code_of(guarded.run([&] { return held.call(); })) == errc::overloaded);
    CHECK(breaker.state() == breaker_state::closed);
    CHECK(breaker.metrics().ignored_total == 1);
  }

  TEST_CASE("probes whose coroutines are destroyed do not keep the breaker half-open") {
    circuit_breaker breaker({.permitted_number_of_calls_in_half_open_state = 1});
    breaker.transition_to(breaker_state::half_open);
    for (int i = 0; i < 3; ++i) {
      coroutines scene;
      held_call held(scene.io);
      asio::co_spawn(scene.io, breaker.run([&] { return held.call(); }), [](std::exception_ptr, int) {});
      scene.until([&] { return held.begun == 1; });
      CHECK(breaker.metrics().probes_in_flight == 1);
    }
    CHECK(breaker.metrics().probes_in_flight == 0);
    CHECK(breaker.try_acquire().has_value());
  }

  TEST_CASE_FIXTURE(coroutines, "handles may go while a call is on its way") {
    held_call held(io);
    std::optional<int> result;
    {
      const auto guarded = compose(retry(), circuit_breaker(), rate_limiter(), time_limiter(), bulkhead());
      asio::co_spawn(io, guarded.run([&] { return held.call(); }),
                     [&](std::exception_ptr, int value) { result = value; });
    }
    until([&] { return held.begun == 1; });
    held.finish();
    until([&] { return result.has_value(); });
    CHECK(*result == 1);
  }
}

}  // namespace skald::resilience::test
