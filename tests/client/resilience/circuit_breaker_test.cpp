// The circuit breaker in simulated time, and its handle.
#include <doctest/doctest.h>

#include <atomic>
#include <skald/resilience/circuit_breaker.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "client/resilience/src/circuit_breaker_core.hpp"

namespace skald::resilience::test {

namespace {

using namespace std::chrono_literals;
using detail::circuit_breaker_core;
using detail::sliding_window;

const circuit_breaker_config small{.failure_rate_threshold = 50,
                                   .slow_call_duration_threshold = 1s,
                                   .sliding_window_size = 4,
                                   .minimum_number_of_calls = 4,
                                   .wait_duration_in_open_state = 10s,
                                   .permitted_number_of_calls_in_half_open_state = 2,
                                   .max_wait_duration_in_half_open_state = 5s};

struct scene {
  explicit scene(const circuit_breaker_config& config = small) : core(config, now) {}

  circuit_breaker_core::ticket acquire() {
    const auto one = core.try_acquire(now);
    REQUIRE(one);
    return *one;
  }
  bool refused() { return !core.try_acquire(now).has_value(); }
  void succeed(int times = 1, std::chrono::nanoseconds took = 1ms) {
    for (; times > 0; --times) core.record(acquire(), false, took, now);
  }
  void fail(int times = 1) {
    for (; times > 0; --times) core.record(acquire(), true, 1ms, now);
  }
  // With the time passed, the next call finds it half-open.
  void make_half_open() {
    fail(4);
    REQUIRE(core.state() == breaker_state::open);
    now += 10s;
  }

  steady_time now{1000s};
  circuit_breaker_core core;
};

}  // namespace

TEST_SUITE("circuit breaker") {
  TEST_CASE("a window of calls holds the last ones") {
    sliding_window window(window_type::count_based, 3);
    const steady_time now{1s};
    window.record(true, false, now);
    window.record(true, true, now);
    window.record(false, true, now);
    CHECK(window.counts(now).failed == 2);
    window.record(false, false, now);
    const auto counts = window.counts(now);
    CHECK(counts.calls == 3);
    CHECK(counts.failed == 1);
    CHECK(counts.slow == 2);
  }

  TEST_CASE("a window of seconds forgets second by second") {
    sliding_window window(window_type::time_based, 3);
    window.record(true, false, steady_time{10s});
    window.record(true, false, steady_time{10s + 900ms});
    window.record(false, false, steady_time{11s});
    window.record(true, false, steady_time{12s});
    CHECK(window.counts(steady_time{12s + 999ms}).calls == 4);
    CHECK(window.counts(steady_time{13s}).calls == 2);
    CHECK(window.counts(steady_time{14s}).failed == 1);
    CHECK(window.counts(steady_time{5000s}).calls == 0);
    window.record(true, false, steady_time{4000s});  // a step back is no time at all
    CHECK(window.counts(steady_time{5002s}).calls == 1);
    CHECK(window.counts(steady_time{5003s}).calls == 0);
  }

  TEST_CASE("it opens when enough calls have failed, not before") {
    scene s;
    s.fail(3);
    CHECK(s.core.state() == breaker_state::closed);
    CHECK(!s.core.metrics(s.now).failure_rate);
    s.succeed();
    CHECK(s.core.state() == breaker_state::open);
    CHECK(s.refused());
    CHECK(s.core.metrics(s.now).not_permitted_total == 1);
    CHECK(s.core.metrics(s.now).failed_total == 3);
  }

  TEST_CASE("failures below the threshold leave it closed, and leave the window") {
    scene s;
    s.fail(1);
    s.succeed(3);
    CHECK(s.core.metrics(s.now).failure_rate == 25);
    s.succeed(1);
    CHECK(s.core.metrics(s.now).failure_rate == 0);
    s.fail(1);
    CHECK(s.core.state() == breaker_state::closed);
  }

  TEST_CASE("slow calls open it, too") {
    circuit_breaker_config config = small;
    config.slow_call_rate_threshold = 75;
    scene s(config);
    s.succeed(1);
    s.succeed(2, 2s);
    s.succeed(1, 1s);  // at the threshold is not slow
    CHECK(s.core.metrics(s.now).slow_call_rate == 50);
    s.succeed(1, 2s);
    CHECK(s.core.state() == breaker_state::open);
  }

  TEST_CASE("calls of long ago do not open a window of seconds") {
    circuit_breaker_config config = small;
    config.sliding_window_type = window_type::time_based;
    config.sliding_window_size = 10;
    scene s(config);
    s.fail(3);
    s.now += 10s;
    s.fail(3);
    CHECK(s.core.state() == breaker_state::closed);
    s.fail(1);
    CHECK(s.core.state() == breaker_state::open);
  }

  TEST_CASE("after the wait it lets so many probes through, and their success closes it") {
    scene s;
    s.fail(4);
    s.now += 10s - 1ns;
    CHECK(s.refused());
    s.now += 1ns;
    const auto one = s.acquire();
    const auto two = s.acquire();
    CHECK(s.core.state() == breaker_state::half_open);
    CHECK(s.refused());
    s.core.record(one, false, 1ms, s.now);
    CHECK(s.refused());  // an outcome makes no room: two decide
    s.core.record(two, false, 1ms, s.now);
    CHECK(s.core.state() == breaker_state::closed);
    CHECK(s.core.metrics(s.now).buffered_calls == 0);
    const auto seen = s.core.take_transitions();
    REQUIRE(seen.size() == 3);
    CHECK(seen[1].to == breaker_state::half_open);
    CHECK(seen[2].from == breaker_state::half_open);
    CHECK(seen[2].number == 3);
  }

  TEST_CASE("failed probes open it for another wait") {
    scene s;
    s.make_half_open();
    const auto one = s.acquire();
    const auto two = s.acquire();
    s.core.record(one, true, 1ms, s.now);
    s.core.record(two, false, 1ms, s.now);  // half of them: the threshold
    CHECK(s.core.state() == breaker_state::open);
    s.now += 9s;
    CHECK(s.refused());
  }

  TEST_CASE("a probe without an outcome gives its place back") {
    scene s;
    s.make_half_open();
    for (int i = 0; i < 1'000; ++i) s.core.release(s.acquire());
    for (int i = 0; i < 1'000; ++i) s.core.ignore(s.acquire());
    CHECK(s.core.metrics(s.now).probes_in_flight == 0);
    CHECK(s.core.metrics(s.now).ignored_total == 1'000);
    s.succeed(2);
    CHECK(s.core.state() == breaker_state::closed);
  }

  TEST_CASE("a probe that never ends counts as failed") {
    scene s;
    s.make_half_open();
    const auto one = s.acquire();
    const auto two = s.acquire();
    s.now += 5s;
    CHECK(s.refused());  // both are overdue, which opens it
    CHECK(s.core.state() == breaker_state::open);
    CHECK(s.core.metrics(s.now).overdue_total == 2);
    s.core.record(one, false, 5s, s.now);
    s.core.release(two);
    CHECK(s.core.state() == breaker_state::open);
    s.now += 10s;
    s.succeed(2);
    CHECK(s.core.state() == breaker_state::closed);
  }

  TEST_CASE("an overdue probe that ends nevertheless decides nothing twice") {
    circuit_breaker_config config = small;
    config.failure_rate_threshold = 100;
    scene s(config);
    s.make_half_open();
    const auto hung = s.acquire();
    s.now += 5s;
    const auto other = s.acquire();  // the hung one counts as failed by now
    s.core.record(hung, false, 5s, s.now);
    CHECK(s.core.state() == breaker_state::half_open);
    s.core.record(other, false, 1ms, s.now);
    CHECK(s.core.state() == breaker_state::closed);
  }

  TEST_CASE("outcomes of an earlier state change nothing") {
    scene s;
    const auto before = s.acquire();
    s.make_half_open();
    const auto probe = s.acquire();
    s.core.record(before, true, 1ms, s.now);
    s.core.release(before);
    CHECK(s.core.metrics(s.now).buffered_calls == 0);
    CHECK(s.core.metrics(s.now).probes_in_flight == 1);
    s.core.record(probe, false, 1ms, s.now);
    s.succeed(1);
    CHECK(s.core.state() == breaker_state::closed);
  }

  TEST_CASE("forced open and disabled stay until told otherwise") {
    scene s;
    s.core.transition_to(breaker_state::forced_open, s.now);
    s.now += 1000h;
    CHECK(s.refused());
    s.core.transition_to(breaker_state::disabled, s.now);
    s.fail(100);
    CHECK(s.core.state() == breaker_state::disabled);
    CHECK(s.core.metrics(s.now).buffered_calls == 0);
    s.core.transition_to(breaker_state::closed, s.now);
    s.fail(4);
    CHECK(s.core.state() == breaker_state::open);
  }

  TEST_CASE("the minimum is at most what a window of calls can hold") {
    circuit_breaker_config config = small;
    config.minimum_number_of_calls = 100;
    scene s(config);
    s.fail(4);
    CHECK(s.core.state() == breaker_state::open);
  }

  TEST_CASE("a handle tells its observer, and its permissions give themselves back") {
    circuit_breaker breaker({.name = "b", .sliding_window_size = 2, .minimum_number_of_calls = 2});
    std::vector<state_transition> seen;
    breaker.on_state_transition([&](const state_transition& each) {
      CHECK(breaker.state() == each.to);  // no lock is held
      seen.push_back(each);
    });
    const auto boom = std::make_exception_ptr(std::runtime_error("boom"));
    breaker.acquire().fail(boom);
    breaker.acquire().fail(std::make_exception_ptr(error(errc::cancelled, "c")));
    CHECK(breaker.metrics().ignored_total == 1);
    breaker.acquire().fail(boom);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].to == breaker_state::open);
    CHECK_THROWS_AS(breaker.acquire(), call_not_permitted);

    breaker.transition_to(breaker_state::half_open);
    for (int i = 0; i < 100; ++i) CHECK(breaker.try_acquire().has_value());
    CHECK(breaker.metrics().probes_in_flight == 0);
    CHECK_THROWS_AS(circuit_breaker({.failure_rate_threshold = 0}), error);
    CHECK_THROWS_AS(circuit_breaker({.permitted_number_of_calls_in_half_open_state = 0}), error);
  }

  TEST_CASE("threads share one breaker") {
    const circuit_breaker breaker({.failure_rate_threshold = 100});
    std::atomic<int> made = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, copy = breaker] {
        for (int i = 0; i < 1'000; ++i) {
          auto one = copy.acquire();
          if (i % 2 == 0)
            one.succeed();
          else
            one.fail(std::make_exception_ptr(std::runtime_error("boom")));
          ++made;
        }
      });
    for (auto& each : threads) each.join();
    const auto metrics = breaker.metrics();
    CHECK(metrics.successful_total == 2'000);
    CHECK(metrics.failed_total == 2'000);
    CHECK(metrics.buffered_calls == 100);
    CHECK(made == 4'000);
  }
}

}  // namespace skald::resilience::test
