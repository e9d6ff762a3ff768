#include "bench/throughput/scene.hpp"

namespace skald::bench {

using limit::metric;
using limit::steady_clock;

std::vector<metric> measure_publish(const setting& with, publish_shape shape) {
  scene stage(with);
  topic_settings settings{.partitions = shape.partitions};
  if (shape.retention) settings.retention_bytes = (std::int64_t{512} << 20) / shape.partitions;
  stage.client().create_topic("records", settings);
  const auto publish_for = [&](steady_clock::duration duration) {
    const auto end = steady_clock::now() + duration;
    return publish_until(stage.client(), "records", shape.partitions, shape.record_bytes,
                         [&](std::uint64_t) { return steady_clock::now() >= end; });
  };
  publish_for(with.duration / 4);  // warm-up: first segments, socket buffers, allocator

  const double cpu_before = stage.broker().cpu_seconds();
  const auto status_before = stage.client().status();
  const auto began = steady_clock::now();
  const std::uint64_t records = publish_for(with.duration);
  const auto elapsed = steady_clock::now() - began;
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const double cpu = stage.broker().cpu_seconds() - cpu_before;
  const auto status = stage.client().status();
  const double peak = static_cast<double>(stage.broker().peak_resident_bytes());
  stage.finish();
  return {
      limit::throughput_mb(records * shape.record_bytes, elapsed),
      {"records", "million/s", static_cast<double>(records) / seconds / 1e6},
      {"fsyncs", "1/s", static_cast<double>(status.journal_syncs - status_before.journal_syncs) / seconds},
      {"broker CPU", "cores", cpu / seconds},
      {"broker peak memory", "MB", peak / 1e6}};
}

std::vector<metric> measure_catch_up(const setting& with, std::size_t record_bytes) {
  scene stage(with);
  stage.client().create_topic("records");
  const std::uint64_t wanted = (std::uint64_t{2} << 30) / record_bytes / 2;
  const std::uint64_t records = publish_until(stage.client(), "records", 1, record_bytes,
                                              [&](std::uint64_t sent) { return sent >= wanted; });
  consume(stage.client(), "records", records / 4);  // warm-up
  const double cpu_before = stage.broker().cpu_seconds();
  const auto began = steady_clock::now();
  consume(stage.client(), "records", records);
  const auto elapsed = steady_clock::now() - began;
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const double cpu = stage.broker().cpu_seconds() - cpu_before;
  stage.finish();
  return {limit::throughput_mb(records * record_bytes, elapsed),
          {"records", "million/s", static_cast<double>(records) / seconds / 1e6},
          {"broker CPU", "cores", cpu / seconds}};
}

}  // namespace skald::bench
