// Backoff and budget in simulated time; the retry around awaitables.
#include <skald/resilience/retry.hpp>

#include "client/resilience/src/retry_budget_core.hpp"
#include "tests/client/resilience/coroutines.hpp"

namespace skald::resilience::test {

namespace {

using steady = std::chrono::steady_clock::time_point;

retry_config quick(std::uint32_t attempts) {
  return {.max_attempts = attempts, .wait = {.initial_interval = 0ms, .max_interval = 0ms}};
}

// Fails so many times, then gives 7.
struct flaky {
  int failures;
  errc code = errc::connection_lost;
  int calls = 0;
  asio::awaitable<int> call() {
    if (++calls <= failures) throw error(code, "no");
    co_return 7;
  }
};

}  // namespace

TEST_SUITE("retry") {
  TEST_CASE("waits grow to their limit, spread around it") {
    const exponential_backoff backoff{
        .initial_interval = 100ms, .multiplier = 2, .max_interval = 1s, .randomization_factor = 0.5};
    CHECK(backoff.wait_after(1, 0.5) == 100ms);
    CHECK(backoff.wait_after(2, 0.5) == 200ms);
    CHECK(backoff.wait_after(4, 0.5) == 800ms);
    CHECK(backoff.wait_after(5, 0.5) == 1s);
    CHECK(backoff.wait_after(4'000'000, 0.5) == 1s);
    CHECK(backoff.wait_after(1, 0) == 50ms);
    CHECK(backoff.wait_after(1, 0.75) == 125ms);
    const exponential_backoff steady_one{.initial_interval = 100ms, .randomization_factor = 0};
    CHECK(steady_one.wait_after(1, 0.99) == 100ms);
  }

  TEST_CASE("a budget is earned by calls and by time, and saved up to a limit") {
    detail::retry_budget_core budget(
        {.retries_per_call = 0.25, .retries_per_second_min = 0.5, .retries_saved_max = 2});
    steady now{100s};
    CHECK(budget.try_withdraw(now));
    CHECK(budget.try_withdraw(now));
    CHECK(!budget.try_withdraw(now));
    for (int i = 0; i < 4; ++i) budget.deposit(now);
    CHECK(budget.try_withdraw(now));
    CHECK(!budget.try_withdraw(now));
    now += 2s;
    CHECK(budget.try_withdraw(now));
    CHECK(!budget.try_withdraw(now - 1s));  // a step back earns nothing
    now += 1000s;
    CHECK(budget.balance(now) == 2);
    CHECK(budget.exhausted_total() == 3);
  }

  TEST_CASE_FIXTURE(coroutines, "what fails is tried again, until it succeeds") {
    retry again(quick(3));
    std::vector<std::uint32_t> waits;
    again.on_retry([&](const retry_attempt& each) { waits.push_back(each.attempt); });
    flaky callee{.failures = 2};
    CHECK(get(again.run([&] { return callee.call(); })) == 7);
    CHECK(callee.calls == 3);
    CHECK(waits == std::vector<std::uint32_t>{1, 2});
    flaky fine{.failures = 0};
    CHECK(get(again.run([&] { return fine.call(); })) == 7);
    CHECK(again.metrics().successful_calls_with_retry == 1);
    CHECK(again.metrics().successful_calls_without_retry == 1);
    CHECK(again.metrics().retries == 2);
  }

  TEST_CASE_FIXTURE(coroutines, "the last failure is passed on") {
    const retry again(quick(3));
    flaky callee{.failures = 3};
    CHECK(code_of(again.run([&] { return callee.call(); })) == errc::connection_lost);
    CHECK(callee.calls == 3);
    CHECK(again.metrics().failed_calls_with_retry == 1);
  }

  TEST_CASE_FIXTURE(coroutines, "what will not pass is not tried again") {
    const retry again(quick(3));
    flaky callee{.failures = 3, .code = errc::unknown_topic};
    CHECK(code_of(again.run([&] { return callee.call(); })) == errc::unknown_topic);
    CHECK(callee.calls == 1);
    CHECK(again.metrics().failed_calls_without_retry == 1);
  }

  TEST_CASE_FIXTURE(coroutines, "an empty budget ends the retries of everybody who shares it") {
    const retry_budget budget({.retries_per_call = 0, .retries_per_second_min = 0, .retries_saved_max = 3});
    retry_config config = quick(3);
    config.budget = budget;
    const retry one(config);
    const retry two(config);
    flaky callee{.failures = 1'000};
    code_of(one.run([&] { return callee.call(); }));
    CHECK(callee.calls == 3);
    code_of(two.run([&] { return callee.call(); }));
    CHECK(callee.calls == 5);
    code_of(two.run([&] { return callee.call(); }));
    CHECK(callee.calls == 6);
    CHECK(two.metrics().retries_out_of_budget == 2);
    CHECK(budget.exhausted_total() == 2);
  }

  TEST_CASE_FIXTURE(coroutines, "a wait can be cancelled") {
    const retry again({.wait = {.initial_interval = 1h, .max_interval = 1h}});
    flaky callee{.failures = 1};
    CHECK(code_when_cancelled(again.run([&] { return callee.call(); }), [&] { return callee.calls == 1; }) ==
          errc::cancelled);
  }

  TEST_CASE("settings that make no sense are refused") {
    CHECK_THROWS_AS(retry({.max_attempts = 0}), error);
    CHECK_THROWS_AS(retry({.wait = {.multiplier = 0.5}}), error);
    CHECK_THROWS_AS(retry({.retry_on = nullptr}), error);
    CHECK_THROWS_AS(retry_budget({.retries_per_call = -1}), error);
  }
}

}  // namespace skald::resilience::test
