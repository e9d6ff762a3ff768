#include "bench/compare/measure.hpp"

#include <algorithm>
#include <utility>

#include "bench/limit/files.hpp"

namespace skald::bench::compare {
namespace {

constexpr std::size_t in_flight_max = 16'384;  // records
constexpr std::uint64_t disk_bytes_free = std::uint64_t{4} << 30;

std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

in_flight task::most() const {
  return {.records = std::clamp<std::size_t>(in_flight_bytes / record_bytes, 1, in_flight_max),
          .bytes = std::max(in_flight_bytes, record_bytes)};
}

std::string task::variant() const {
  switch (what) {
    case workload::publish:
    case workload::consume:
      return std::to_string(record_bytes) + " B";
    case workload::latency:
      return std::to_string(count) + "/s";
    case workload::request:
      return std::to_string(count) + " in flight";
    case workload::fanout:
      return counted(count, "subscriber");
    case workload::queue:
      return counted(count, "worker");
    case workload::streams:
      return counted(count, "stream");
  }
  return {};
}

std::vector<outcome> measure_once(const candidate& what, const task& how,
                                  const std::filesystem::path& parent) {
  const limit::scratch_directory directory(parent, disk_bytes_free);
  const std::unique_ptr<peer> broker = what.start(directory.path());
  broker->prepare({.what = how.what, .count = how.count});
  switch (how.what) {
    case workload::publish:
    case workload::consume:
      return measure_publish_and_consume(*broker, how);
    case workload::latency:
      return {measure_latency(*broker, how)};
    case workload::request:
      return {measure_request(*broker, how)};
    case workload::fanout:
      return {measure_fanout(*broker, how)};
    case workload::queue:
      return {measure_queue(*broker, how)};
    case workload::streams:
      return {measure_streams(*broker, how)};
  }
  return {};
}

}  // namespace skald::bench::compare
