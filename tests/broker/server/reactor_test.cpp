// The event loop: what it runs when, on which thread.
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <future>
#include <vector>

#include "broker/server/reactor.hpp"

namespace skald::server::testing {

namespace {

constexpr std::chrono::seconds patience(60);

using load = executor::load;

}  // namespace

TEST_CASE("work for an idle loop runs after all that is ready, and is told so") {
  reactor loop("test");
  std::promise<std::vector<std::string>> seen;
  auto outcome = seen.get_future();
  std::vector<std::string> order;
  loop.post([&] {
    loop.post_when_idle([&](load is) {
      order.push_back(is == load::idle ? "idle" : "busy");
      seen.set_value(order);
    });
    loop.post([&] {
      order.push_back("posted later");
      loop.post([&] { order.push_back("posted by that"); });
    });
  });
  loop.start();
  REQUIRE(outcome.wait_for(patience) == std::future_status::ready);
  CHECK(outcome.get() == std::vector<std::string>{"posted later", "posted by that", "idle"});
}

TEST_CASE("a loop that is never idle runs the work all the same, and says that it is busy") {
  reactor loop("test");
  std::promise<load> seen;
  auto outcome = seen.get_future();
  bool told = false;
  std::function<void()> again = [&] {
    if (!told) loop.post(again);
  };
  loop.post([&] {
    loop.post_when_idle([&](load is) {
      told = true;
      seen.set_value(is);
    });
    again();
  });
  loop.start();
  REQUIRE(outcome.wait_for(patience) == std::future_status::ready);
  CHECK(outcome.get() == load::busy);
  loop.stop();
}

TEST_CASE(
    "work for the end of a turn runs after what is ready, before work for an idle loop, and again if asked") {
  reactor loop("test");
  std::promise<void> done;
  auto outcome = done.get_future();
  std::vector<std::string> order;
  loop.post([&] {
    loop.post_when_idle([&](load) { order.push_back("idle"); });
    loop.post_to_end_of_turn([&] {
      order.push_back("end");
      // Of a later turn, which comes although nothing else is there to do.
      loop.post_to_end_of_turn([&] {
        order.push_back("next end");
        done.set_value();
      });
    });
    loop.post([&] { order.push_back("posted"); });
  });
  loop.start();
  REQUIRE(outcome.wait_for(patience) == std::future_status::ready);
  loop.stop();
  CHECK(order == std::vector<std::string>{"posted", "end", "idle", "next end"});
}

TEST_CASE("an idle loop wakes up for what other threads post, whether or not it has gone to sleep") {
  reactor loop("test");
  loop.start();
  for (int i = 0; i < 1'000; ++i) {
    std::promise<bool> done;
    auto outcome = done.get_future();
    loop.post([&] { done.set_value(loop.running_here()); });
    REQUIRE(outcome.wait_for(patience) == std::future_status::ready);
    CHECK(outcome.get());
  }
}

}  // namespace skald::server::testing
