// What the machine can do in place of a workload: which of bench/limit's measurements its figures are held
// against. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/bench/options.hpp"

namespace skald::cli::bench {

struct yardstick {
  enum class kind : std::uint8_t { none, group_commit, fdatasync, delivery, stream, routed_echo };
  enum class unit : std::uint8_t { bytes_per_s, per_s, us };

  kind what = kind::none;
  unit in = unit::bytes_per_s;
  std::size_t bytes = 0;      // of a frame, a write or a message
  std::size_t in_flight = 1;  // frames or messages
  unsigned in_a_row = 1;      // so many of them, one after the other, are what the workload waits for
  double per_second = 0;      // records of a delivery
  std::string text;           // what it is, or why there is none

  bool writes() const {
    return what == kind::group_commit || what == kind::fdatasync || what == kind::delivery;
  }
  bool uses_disk() const { return writes() || what == kind::stream; }
};

// What one measurement gave, in the yardstick's unit.
struct limit_reading {
  double value = 0;  // throughput, or the median of latencies
  double p99 = 0;    // of latencies
};

std::string_view to_string(yardstick::unit of) noexcept;  // "bytes_per_s", "per_s", "us"

// Throughput is held against throughput. With a target rate, and with one record under way, which have no
// throughput to speak of, latency is held against latency.
yardstick yardstick_for(const options& with, double mean_bytes);

}  // namespace skald::cli::bench
