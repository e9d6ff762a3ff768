#include <stdexcept>

#include "bench/throughput/scene.hpp"

namespace skald::bench {

using limit::metric;
using limit::steady_clock;

std::vector<metric> measure_restart(const setting& with, std::uint64_t bytes) {
  constexpr std::size_t record_bytes = 1024;
  scene stage(with);
  stage.client().create_topic("records", {.partitions = 8});
  const std::uint64_t wanted = bytes / record_bytes;
  const std::uint64_t records = publish_until(stage.client(), "records", 8, record_bytes,
                                              [&](std::uint64_t sent) { return sent >= wanted; });
  const std::uint64_t replay = stage.client().status().replay_bytes;
  const auto elapsed = stage.kill_and_restart();
  const topic_info after = stage.client().describe_topic("records");
  if (after.records != records) throw std::runtime_error("records are missing after the restart");
  stage.finish();
  const double seconds = std::chrono::duration<double>(elapsed).count();
  return {{"stored", "GB", static_cast<double>(after.bytes) / 1e9},
          {"until it serves", "s", seconds},
          {"replayed", "MB", static_cast<double>(replay) / 1e6},
          {"at least", "GB/s replayed", static_cast<double>(replay) / seconds / 1e9}};
}

std::vector<metric> measure_idle_partitions(const setting& with, std::uint32_t partitions) {
  scene stage(with);
  stage.client().list_topics();
  const std::uint64_t before = stage.broker().anonymous_bytes();
  stage.client().create_topic("idle", {.partitions = partitions});
  stage.client().describe_topic("idle");
  const std::uint64_t after = stage.broker().anonymous_bytes();
  const std::uint64_t peak = stage.broker().peak_resident_bytes();
  stage.finish();
  const double each = static_cast<double>(after - before) / static_cast<double>(partitions);
  return {{"each", "bytes", each},
          {"broker in all", "MB", static_cast<double>(after) / 1e6},
          {"peak", "MB", static_cast<double>(peak) / 1e6}};
}

}  // namespace skald::bench
