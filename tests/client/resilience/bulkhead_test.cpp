#include <skald/resilience/bulkhead.hpp>
#include <thread>

#include "tests/client/resilience/coroutines.hpp"

namespace skald::resilience::test {

namespace {

struct bulkhead_scene : coroutines {
  void spawn(asio::awaitable<int> work) {
    asio::co_spawn(io, std::move(work),
                   [this](std::exception_ptr why, int) { ended.push_back(code_in(why)); });
  }
  std::vector<errc> ended;
};

}  // namespace

TEST_SUITE("bulkhead") {
  TEST_CASE_FIXTURE(bulkhead_scene, "calls beyond its places are refused") {
    const bulkhead two({.max_concurrent_calls = 2});
    held_call held(io);
    for (int i = 0; i < 3; ++i) spawn(two.run([&] { return held.call(); }));
    until([&] { return ended.size() == 1; });
    CHECK(ended[0] == errc::overloaded);
    CHECK(held.begun == 2);
    CHECK(two.metrics().available_concurrent_calls == 0);
    held.finish();
    until([&] { return ended.size() == 3; });
    CHECK(two.metrics().available_concurrent_calls == 2);
    CHECK(two.metrics().rejected_total == 1);
  }

  TEST_CASE_FIXTURE(bulkhead_scene, "those that wait are served in order") {
    const bulkhead one({.max_concurrent_calls = 1, .max_wait_duration = 1h});
    auto place = one.try_acquire();
    std::vector<int> served;
    for (int i = 0; i < 3; ++i)
      spawn([](const bulkhead& of, std::vector<int>& order, int number) -> asio::awaitable<int> {
        const auto mine = co_await of.acquire();
        order.push_back(number);
        co_return number;
      }(one, served, i));
    until([&] { return one.metrics().waiting_calls == 3; });
    place.reset();
    CHECK(!one.try_acquire());  // does not overtake
    until([&] { return ended.size() == 3; });
    CHECK(served == std::vector<int>{0, 1, 2});
    CHECK(one.metrics().available_concurrent_calls == 1);
  }

  TEST_CASE_FIXTURE(bulkhead_scene, "the line has an end, and patience too") {
    const bulkhead one({.max_concurrent_calls = 1, .max_wait_duration = 20ms, .max_waiting_calls = 1});
    const auto place = one.try_acquire();
    held_call held(io);
    spawn(one.run([&] { return held.call(); }));
    until([&] { return one.metrics().waiting_calls == 1; });
    CHECK(code_of(one.run([&] { return held.call(); })) == errc::overloaded);
    until([&] { return ended.size() == 1; });
    CHECK(ended[0] == errc::overloaded);
    CHECK(one.metrics().waiting_calls == 0);
    CHECK(held.begun == 0);
  }

  TEST_CASE_FIXTURE(bulkhead_scene, "a cancelled wait leaves the line, and no place behind") {
    const bulkhead one({.max_concurrent_calls = 1, .max_wait_duration = 1h});
    auto place = one.try_acquire();
    held_call held(io);
    CHECK(code_when_cancelled(one.run([&] { return held.call(); }),
                              [&] { return one.metrics().waiting_calls == 1; }) == errc::cancelled);
    place.reset();
    CHECK(one.metrics().available_concurrent_calls == 1);
  }

  TEST_CASE("a coroutine that is destroyed gives its place back, waiting or not") {
    const bulkhead one({.max_concurrent_calls = 1, .max_wait_duration = 1h});
    {
      bulkhead_scene scene;
      held_call held(scene.io);
      scene.spawn(one.run([&] { return held.call(); }));
      scene.spawn(one.run([&] { return held.call(); }));
      scene.until([&] { return one.metrics().waiting_calls == 1; });
    }
    CHECK(one.metrics().waiting_calls == 0);
    CHECK(one.metrics().available_concurrent_calls == 1);
  }

  TEST_CASE("calls of several threads share the places") {
    const bulkhead three({.max_concurrent_calls = 3, .max_wait_duration = 60s, .max_waiting_calls = 100});
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::atomic<int> made = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        asio::io_context io;
        for (int c = 0; c < 4; ++c)
          asio::co_spawn(
              io,
              [&]() -> asio::awaitable<void> {
                for (int i = 0; i < 50; ++i) {
                  const auto place = co_await three.acquire();
                  const int now = ++inside;
                  int seen = most;
                  while (now > seen && !most.compare_exchange_weak(seen, now)) {
                  }
                  const auto executor = co_await asio::this_coro::executor;
                  co_await asio::post(executor, asio::use_awaitable);
                  --inside;
                  ++made;
                }
              },
              asio::detached);
        io.run();
      });
    for (auto& each : threads) each.join();
    CHECK(made == 4 * 4 * 50);
    CHECK(most <= 3);
    CHECK(three.metrics().available_concurrent_calls == 3);
    CHECK(three.metrics().rejected_total == 0);
  }
}

}  // namespace skald::resilience::test
