#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <thread>

#include "bench/throughput/scene.hpp"
#include "skald/client.hpp"

namespace skald::bench {

using limit::metric;
using limit::steady_clock;

namespace {

// On the thread that runs the connection: no hand-over between threads that only a blocking caller needs.
boost::asio::awaitable<void> publish_one_by_one(client& broker, std::size_t record_bytes,
                                                steady_clock::duration duration,
                                                limit::latencies& round_trips) {
  constexpr int warm_up = 100;
  payload_source payloads(record_bytes);
  for (int i = 0; i < warm_up; ++i) co_await broker.publish("records", {.value = payloads.next()});
  for (const auto end = steady_clock::now() + duration; steady_clock::now() < end;) {
    const auto began = steady_clock::now();
    co_await broker.publish("records", {.value = payloads.next()});
    round_trips.add(steady_clock::now() - began);
  }
  broker.close();
}

}  // namespace

std::vector<metric> measure_publish_latency(const setting& with, std::size_t record_bytes) {
  scene stage(with);
  // The limit overwrites recycled segments; the broker's first segment is written once before it is used too.
  constexpr std::chrono::seconds segments_prepared(1);
  std::this_thread::sleep_for(segments_prepared);
  stage.client().create_topic("records");
  limit::latencies round_trips;
  boost::asio::io_context loop(1);
  client broker(loop.get_executor(), {.address = stage.broker().address()});
  std::exception_ptr failed;
  boost::asio::co_spawn(loop, publish_one_by_one(broker, record_bytes, with.duration, round_trips),
                        [&](std::exception_ptr why) { failed = why; });
  loop.run();
  if (failed) std::rethrow_exception(failed);
  stage.finish();
  std::vector<metric> metrics;
  round_trips.summarize(metrics);
  return metrics;
}

}  // namespace skald::bench
