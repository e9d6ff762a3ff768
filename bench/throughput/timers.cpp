#include <chrono>
#include <deque>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>

#include "bench/throughput/scene.hpp"
#include "skald/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace skald::bench {

using limit::metric;
using limit::steady_clock;

namespace {

constexpr std::size_t timers_per_commit = 1'000;
constexpr std::size_t commits_under_way = 8;

// One of several loops that take turns at committing the next thousand timers.
boost::asio::awaitable<void> set_timers(client& broker, std::size_t& left, timestamp due) {
  while (left > 0) {
    left -= timers_per_commit;
    commit effect;
    for (std::size_t i = 0; i < timers_per_commit; ++i)
      effect
          .append("timers",
                  {.value = "a record of a hundred bytes or so, which waits for its time and then is read"})
          .deliver_at(due);
    co_await broker.commit(std::move(effect), {.timeout = std::chrono::minutes(2)});
  }
}

}  // namespace

std::vector<metric> measure_timers(const setting& with, std::size_t timers) {
  scene stage(with);
  stage.client().create_topic("timers");
  // Far enough away that none fires before the last is set; then they are all due in one instant.
  constexpr std::chrono::seconds ahead{20};
  const auto began = steady_clock::now();
  const auto due = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()) + ahead;
  boost::asio::io_context context;
  client broker(context.get_executor(), {.address = stage.broker().address()});
  std::size_t left = timers;
  std::size_t running = commits_under_way;
  std::exception_ptr failed;
  for (std::size_t i = 0; i < commits_under_way; ++i)
    boost::asio::co_spawn(context, set_timers(broker, left, due), [&](const std::exception_ptr& why) {
      if (why) failed = why;
      if (--running == 0) broker.close();
    });
  context.run();
  if (failed) std::rethrow_exception(failed);
  const std::chrono::duration<double> setting_took = steady_clock::now() - began;
  if (setting_took > ahead) throw std::runtime_error("setting the timers took until they were due");

  std::this_thread::sleep_until(began + ahead);
  const auto fired_from = steady_clock::now();
  const auto records = [&] { return stage.client().describe_topic("timers").records; };
  while (records() < timers) {
    if (steady_clock::now() - fired_from > std::chrono::minutes(1))
      throw std::runtime_error("timers are still waiting a minute after they were due");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const std::chrono::duration<double> firing_took = steady_clock::now() - fired_from;
  const std::uint64_t peak = stage.broker().peak_resident_bytes();
  stage.finish();
  const auto number = static_cast<double>(timers);
  return {{"set", "timers/s", number / setting_took.count()},
          {"fired", "timers/s", number / firing_took.count()},
          {"all set", "s", setting_took.count()},
          {"all fired", "s", firing_took.count()},
          {"peak", "MB", static_cast<double>(peak) / 1e6}};
}

}  // namespace skald::bench
