#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/throughput/scene.hpp"

namespace skald::bench {

using limit::metric;
using limit::steady_clock;

namespace {

// Takes and acknowledges until the queue has given all its records; only what is durable counts.
void work(const std::string& address, std::uint32_t prefetch, std::uint64_t wanted,
          std::atomic<std::uint64_t>& taken) {
  blocking_client client({.address = address});
  blocking_queue queue = client.open_queue("records", "work", {.prefetch = prefetch});
  while (taken < wanted) {
    const auto some = queue.receive_for(milliseconds(50));
    if (!some) continue;
    for (const delivery& one : *some)
      if (one.attempt() != 1) throw std::runtime_error("a record was given out twice");
    queue.ack(*some);
    taken += some->size();
  }
  queue.flush();
}

}  // namespace

std::vector<metric> measure_queue(const setting& with, queue_shape shape) {
  scene stage(with);
  stage.client().create_topic("records", {.partitions = shape.partitions});
  stage.client().create_queue("records", "work", {.ordered_by_key = shape.ordered_by_key});
  // As much as lasts for a while at the speed that was asked for.
  const std::uint64_t records = publish_until(stage.client(), "records", shape.partitions, shape.record_bytes,
                                              [&](std::uint64_t sent) { return sent >= shape.records; });
  const auto status_before = stage.client().status();
  const double cpu_before = stage.broker().cpu_seconds();
  std::atomic<std::uint64_t> taken{0};
  const auto began = steady_clock::now();
  std::vector<std::thread> consumers;
  for (std::uint32_t i = 0; i < shape.consumers; ++i)
    consumers.emplace_back([&] { work(stage.broker().address(), shape.prefetch, records, taken); });
  for (std::thread& one : consumers) one.join();
  const auto elapsed = steady_clock::now() - began;
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const double cpu = stage.broker().cpu_seconds() - cpu_before;
  const auto status = stage.client().status();
  const queue_info left = stage.client().describe_queue("records", "work");
  if (left.ready + left.leased + left.parked > 0) throw std::runtime_error("some records are not settled");
  const double peak = static_cast<double>(stage.broker().peak_resident_bytes());
  stage.finish();
  return {
      {"leased and acknowledged", "1000 records/s", static_cast<double>(records) / seconds / 1e3},
      {"fsyncs", "1/s", static_cast<double>(status.journal_syncs - status_before.journal_syncs) / seconds},
      {"broker CPU", "cores", cpu / seconds},
      {"broker peak memory", "MB", peak / 1e6}};
}

std::vector<metric> measure_idle_queues(const setting& with, std::uint32_t queues) {
  scene stage(with);
  stage.client().create_topic("records", {.partitions = 8});
  const auto before = static_cast<double>(stage.broker().anonymous_bytes());
  for (std::uint32_t i = 0; i < queues; ++i)
    stage.client().create_queue("records", "queue-" + std::to_string(i));
  const auto after = static_cast<double>(stage.broker().anonymous_bytes());
  stage.finish();
  return {{"memory", "MB", (after - before) / 1e6}};
}

}  // namespace skald::bench
