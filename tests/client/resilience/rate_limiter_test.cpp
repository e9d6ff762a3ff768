// Periods and permissions in simulated time; the limiter around awaitables.
#include <skald/resilience/rate_limiter.hpp>

#include "client/resilience/src/rate_limiter_core.hpp"
#include "tests/client/resilience/coroutines.hpp"

namespace skald::resilience::test {

namespace {

asio::awaitable<int> seven() {
  co_return 7;
}

}  // namespace

TEST_SUITE("rate limiter") {
  TEST_CASE("each period brings its permissions, and takes what is left") {
    using time_point = std::chrono::steady_clock::time_point;
    time_point now{100s};
    detail::rate_limiter_core core(2, 1s, now);
    CHECK(core.reserve(now, 0ns) == 0ns);
    CHECK(core.reserve(now, 0ns) == 0ns);
    CHECK(!core.reserve(now, 0ns));
    now += 999ms;
    CHECK(!core.reserve(now, 0ns));
    now += 1ms;
    CHECK(core.reserve(now, 0ns) == 0ns);
    now += 100s;
    CHECK(core.available(now) == 2);
    CHECK(core.available(now - 50s) == 2);
  }

  TEST_CASE("who waits is served in order, so many in each period") {
    using time_point = std::chrono::steady_clock::time_point;
    const time_point start{100s};
    detail::rate_limiter_core core(2, 1s, start);
    const time_point now = start + 250ms;
    CHECK(core.reserve(now, 10s) == 0ns);
    CHECK(core.reserve(now, 10s) == 0ns);
    CHECK(core.reserve(now, 10s) == 750ms);
    CHECK(core.reserve(now, 10s) == 750ms);
    CHECK(core.reserve(now, 10s) == 1750ms);
    CHECK(core.available(now) == -3);
    CHECK(!core.reserve(now, 1s));  // refused at once, and reserves nothing
    CHECK(core.reserve(now, 1750ms) == 1750ms);
    CHECK(core.reserve(now + 1s, 10s) == 1750ms);
    CHECK(core.available(start + 2s) == -1);
    CHECK(core.available(start + 3s) == 1);
    CHECK(core.available(start + 4s) == 2);
  }

  TEST_CASE_FIXTURE(coroutines, "calls over the limit are refused, or wait for the next period") {
    const rate_limiter strict({.limit_for_period = 2, .limit_refresh_period = 1h, .timeout_duration = 0ms});
    CHECK(get(strict.run(seven)) == 7);
    CHECK(get(strict.run(seven)) == 7);
    CHECK(code_of(strict.run(seven)) == errc::overloaded);
    CHECK(strict.metrics().not_permitted_total == 1);

    const rate_limiter patient({.limit_for_period = 1, .limit_refresh_period = 10ms});
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) CHECK(get(patient.run(seven)) == 7);
    CHECK(std::chrono::steady_clock::now() - begin >= 30ms);
    CHECK(patient.metrics().permitted_total == 5);
  }

  TEST_CASE_FIXTURE(coroutines, "a wait can be cancelled") {
    const rate_limiter slow({.limit_for_period = 1, .limit_refresh_period = 1h, .timeout_duration = 24h});
    CHECK(slow.try_acquire());
    CHECK(code_when_cancelled(slow.run(seven), [&] { return slow.metrics().permitted_total == 2; }) ==
          errc::cancelled);
    CHECK_THROWS_AS(rate_limiter({.limit_for_period = 0}), error);
  }
}

}  // namespace skald::resilience::test
