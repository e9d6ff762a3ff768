// One measurement of one broker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/compare/peer.hpp"
#include "bench/limit/report.hpp"

namespace skald::bench::compare {

using limit::metric;

// What to measure.
struct task {
  // publish also stands for consume: what was published is read back in any case.
  workload what = workload::publish;
  std::size_t record_bytes = 100;
  std::size_t in_flight_bytes = 4u << 20;
  milliseconds time{3000};
  // Subscribers, workers, streams, requests in flight, or records a second (latency).
  std::size_t count = 1;
  std::uint64_t bytes_max = 2u << 30;  // end earlier then

  // Of each broker the same: few enough for the one with the smallest buffers.
  in_flight most() const;
  // "1024 B", "10000/s", "100 subscribers": how this differs from others of its workload.
  std::string variant() const;
};

// What a workload had as figures, the first of them being the one that it is about.
struct outcome {
  workload what = workload::publish;
  std::vector<metric> figures;
};

// Starts the broker in a directory of its own below `parent`, measures, verifies that what comes is what was
// sent, and removes both. Throws std::exception, with what is wrong.
std::vector<outcome> measure_once(const candidate& what, const task& how,
                                  const std::filesystem::path& parent);

// Each workload's own, of a peer that was prepared for it. What they measure is said where they are defined.
std::vector<outcome> measure_publish_and_consume(peer& broker, const task& how);
outcome measure_latency(peer& broker, const task& how);
outcome measure_request(peer& broker, const task& how);
outcome measure_fanout(peer& broker, const task& how);
outcome measure_queue(peer& broker, const task& how);
outcome measure_streams(peer& broker, const task& how);

}  // namespace skald::bench::compare
