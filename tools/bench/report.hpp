// What a benchmark found out, for people, for programs, and in a line for scripts. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/arrivals.hpp"
#include "tools/bench/histogram.hpp"
#include "tools/bench/yardstick.hpp"

namespace skald::cli::bench {

enum class ending : std::uint8_t { complete, interrupted, failed };
std::string_view to_string(ending how) noexcept;  // "ok", "interrupted", "failed"

// What the broker used while it was measured.
struct broker_use {
  std::optional<double> cores;  // of a broker whose process is not known: absent, as are the bytes written
  std::uint64_t memory_bytes = 0;
  bool memory_is_peak = true;
  std::optional<std::uint64_t> disk_written_bytes;
  std::uint64_t payload_written_bytes = 0;  // 0: the workload writes nothing
  std::uint64_t syncs = 0;
};

// What the machine did in place of the workload, before it and after it; in bytes or times a second, or,
// which makes latencies what is compared, microseconds.
struct limit_figures {
  std::string of;         // what was measured, or why there is none
  std::string unit = {};  // "bytes_per_s", "per_s" or "us"; empty: there is none
  std::optional<limit_reading> before = {};
  std::optional<limit_reading> after = {};

  // The mean of those that there are.
  std::optional<limit_reading> mean() const;
};

struct report {
  std::string workload;
  std::string unit = "records";      // what is counted, for people
  std::string setting;               // describe(options)
  std::string broker;                // where, and which
  std::vector<std::string> remarks;  // what a reader of the figures ought to know

  ending ended = ending::complete;
  std::string why;  // it failed

  std::chrono::duration<double> warm_up{0};
  std::chrono::duration<double> measured{0};
  std::uint64_t records = 0;  // come through while it was measured
  std::uint64_t bytes = 0;    // of their values; sagas have none
  std::uint64_t rate_wanted = 0;
  std::uint64_t unsent = 0;

  std::string latency_of;  // "from being due to its acknowledgement"; empty: there is none
  histogram latency;

  double client_cores = 0;
  std::uint64_t client_memory_bytes = 0;
  broker_use used;
  std::optional<limit_figures> limit;

  std::uint64_t verified = 0;  // records, over all of the run
  discrepancies found;

  double records_per_second() const;
  double bytes_per_second() const;
  // The throughput, or the median latency, divided by the limit's.
  std::optional<double> limit_ratio() const;
  // The 99th percentile of latencies divided by that of the limit's.
  std::optional<double> limit_ratio_p99() const;
};

// Several lines, ending with the summary's.
std::string to_text(const report& of);
// One line: fields may be added at its end, those that are there stay. "-" is a value that there is none of.
//   skald-bench workload=publish status=ok records=... seconds=... records_per_s=... bytes_per_s=...
//   p50_us=... p90_us=... p99_us=... p99.9_us=... max_us=... missing=0 repeated=0 damaged=0 unsent=0
//   limit=... limit_unit=bytes_per_s|per_s|us limit_ratio=... limit_ratio_p99=... limit_p99_us=...
std::string summary_line(const report& of);
// An object, in one line.
std::string to_json(const report& of);

// "235 us", "1.23 ms", "12.3 s": three digits.
std::string format_latency(std::chrono::nanoseconds value);

}  // namespace skald::cli::bench
