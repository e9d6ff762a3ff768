// Ever more connections, of which all publish, or ten and the others only are there.
#include <algorithm>

#include "bench/curves/curves.hpp"
#include "bench/curves/publishers.hpp"
#include "bench/throughput/scene.hpp"

namespace skald::bench::curves {
namespace {

constexpr std::uint32_t few = 10;
constexpr std::uint32_t enough_to_weigh = 100;
// Accepted and not acknowledged: together, unless that leaves one with less than some records.
constexpr std::uint64_t buffer_bytes_together = 32u << 20;
constexpr std::uint64_t buffer_bytes_min = 16u << 10;

struct connections_point {
  std::uint32_t connections;
  bool all;
};

std::vector<connections_point> connections_points(const plan& by, table& into) {
  std::vector<connections_point> all;
  for (const std::uint32_t connections :
       wanted_clients(by, {1, 10, 100, 1'000, 10'000}, 100, "connections", into)) {
    all.push_back({connections, true});
    if (connections > few) all.push_back({connections, false});
  }
  return all;
}

void measure_connections_point(const plan& by, const connections_point& at, std::size_t round, table& into) {
  scene stage(by.with);
  stage.client().create_topic(topic_name, {.partitions = usual_partitions});
  const std::uint64_t before = stage.broker().anonymous_bytes();
  const std::uint32_t active = at.all ? at.connections : few;
  const std::uint64_t buffer_bytes = std::max(buffer_bytes_min, buffer_bytes_together / active);
  rate published;
  std::uint64_t connected = 0;
  std::uint64_t loaded = 0;
  {
    publishers every(stage.broker().address(), at.connections,
                     {.topic = topic_name, .partitions = usual_partitions, .buffer_bytes = buffer_bytes},
                     usual_record_bytes);
    connected = stage.broker().anonymous_bytes();
    every.publish(active, {.at = steady_clock::now() + by.with.duration / 4});
    published = every.publish(active, {.at = steady_clock::now() + by.with.duration});
    loaded = stage.broker().anonymous_bytes();
    tail(stage.broker().address(), every).catch_up(every);
  }
  stage.finish();
  // A few are lost in what the broker has for all of them.
  const double each = static_cast<double>(connected - std::min(connected, before)) / at.connections;
  const std::string idle_kb = at.connections > enough_to_weigh ? cell(each / 1e3, 1) : "";
  into.add({cell(round + 1), cell(std::uint64_t{at.connections}), at.all ? "all" : "ten",
            cell(published.records_per_s(), 0), cell(published.mb_per_s(), 1),
            cell(published.records_per_batch(), 1), idle_kb, cell(static_cast<double>(loaded) / 1e6, 1)});
}

}  // namespace

void measure_connections(const plan& by, table& into) {
  const auto points = connections_points(by, into);
  in_rounds(by, points.size(), into, [&](std::size_t round, std::size_t point) {
    measure_connections_point(by, points[point], round, into);
  });
}

}  // namespace skald::bench::curves
