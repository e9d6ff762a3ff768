#include "bench/curves/curves.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <stdexcept>

#include "bench/limit/process.hpp"

namespace skald::bench::curves {
namespace {

constexpr std::uint64_t overhead_bytes = std::uint64_t{1} << 30;  // the journal's segments and the state
// The broker has its own files, and both have threads, timers and logs.
constexpr std::uint64_t descriptors_besides = 100;

std::uint64_t hard_descriptor_limit() {
  rlimit is{};
  limit::checked("getrlimit", [&] { return ::getrlimit(RLIMIT_NOFILE, &is); });
  return is.rlim_max;
}

// Why there cannot be so many connections between two processes of this machine, if there cannot.
std::optional<std::string> why_not_connections(std::uint64_t connections) {
  if (const std::uint64_t most = hard_descriptor_limit(); connections + descriptors_besides > most) {
    return "the limit of descriptors of a process is " + cell(most) + " (ulimit -Hn), and it takes " +
           cell(connections + descriptors_besides);
  }
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first >> last;
  if (last > first && connections > last - first)
    return "there are only " + cell(last - first) + " ports (sysctl net.ipv4.ip_local_port_range)";
  return std::nullopt;
}

}  // namespace

const std::vector<curve>& all_curves() {
  static const std::vector<curve> all{
      {"partitions",
       "partitions of a topic: publishing, consuming, memory, restart",
       {"round", "partitions", "batches", "publish_records_per_s", "publish_mb_per_s", "records_per_batch",
        "consume_mb_per_s", "memory_idle_mb", "memory_mb", "restart_s"},
       [](const plan& by) { return bytes_written_in(by, 1.5); },
       measure_partitions},
      {"connections",
       "connections: publishing, memory",
       {"round", "connections", "publishing", "publish_records_per_s", "publish_mb_per_s",
        "records_per_batch", "idle_connection_kb", "memory_mb"},
       [](const plan& by) { return bytes_written_in(by, 1.5); },
       measure_connections},
      {"sizes",
       "size of records: publishing and consuming",
       {"round", "record_bytes", "publish_records_per_s", "publish_mb_per_s", "consume_records_per_s",
        "consume_mb_per_s"},
       [](const plan& by) { return bytes_written_in(by, 1.5); },
       measure_sizes},
      {"backlog",
       "what a topic holds already: publishing, consuming, memory, restart",
       {"stored_gb", "publish_mb_per_s", "consume_mb_per_s", "memory_mb", "restart_s"},
       [](const plan& by) { return by.most_bytes + by.most_bytes / 20 + overhead_bytes; },
       measure_backlog},
      {"consumers",
       "consumers: reading a log all, and sharing a queue",
       {"round", "kind", "consumers", "records_per_s", "mb_per_s", "slowest_share", "memory_mb"},
       [](const plan&) { return 2 * overhead_bytes; },
       measure_consumers},
      {"retention",
       "retention at work: publishing, disk, bytes written",
       {"seconds", "published_gb", "publish_mb_per_s", "data_gb", "passed_gb", "dirtied_gb", "to_disk_gb"},
       [](const plan& by) { return 2 * by.retention_bytes + 2 * overhead_bytes; },
       measure_retention}};
  return all;
}

void in_rounds(const plan& by, std::size_t points, table& into,
               const std::function<void(std::size_t round, std::size_t point)>& measure) {
  for (std::size_t round = 0; round < by.rounds; ++round) {
    for (std::size_t i = 0; i < points; ++i) {
      const std::size_t point = round % 2 == 0 ? i : points - 1 - i;
      try {
        measure(round, point);
      } catch (const limit::interrupted&) {
        throw;
      } catch (const std::exception& failed) {
        limit::throw_if_interrupted();  // it failed because everything is being stopped
        into.fail("round " + cell(round + 1) + ", point " + cell(point + 1) + ": " + failed.what());
      }
    }
  }
}

std::vector<std::uint32_t> wanted(const plan& by, std::vector<std::uint32_t> points,
                                  std::uint32_t quick_most) {
  if (by.point && !std::ranges::count(points, *by.point)) {
    std::string all;
    for (const std::uint32_t each : points) all += " " + std::to_string(each);
    throw std::runtime_error("there is no point at " + cell(*by.point) + ", only at" + all);
  }
  std::erase_if(points, [&](std::uint32_t at) {
    return (by.quick && at > quick_most) || (by.point && *by.point != at);
  });
  return points;
}

std::uint64_t bytes_written_in(const plan& by, double durations) {
  constexpr double disk_bytes_per_s_max = 2e9;
  const double seconds = std::chrono::duration<double>(by.with.duration).count();
  return overhead_bytes + static_cast<std::uint64_t>(disk_bytes_per_s_max * durations * seconds);
}

void raise_descriptor_limit() {
  rlimit is{};
  limit::checked("getrlimit", [&] { return ::getrlimit(RLIMIT_NOFILE, &is); });
  is.rlim_cur = is.rlim_max;
  limit::checked("setrlimit", [&] { return ::setrlimit(RLIMIT_NOFILE, &is); });
}

std::vector<std::uint32_t> wanted_clients(const plan& by, std::vector<std::uint32_t> points,
                                          std::uint32_t quick_most, const std::string& what, table& into) {
  points = wanted(by, std::move(points), quick_most);
  std::erase_if(points, [&](std::uint32_t at) {
    const auto why = why_not_connections(at);
    if (why) into.remark("skipped: " + cell(std::uint64_t{at}) + " " + what + ": " + *why);
    return why.has_value();
  });
  return points;
}

}  // namespace skald::bench::curves
