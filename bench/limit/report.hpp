#pragma once

// What a measurement gives, and how many rounds of it are shown.

#include <chrono>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace skald::bench::limit {

using steady_clock = std::chrono::steady_clock;

struct metric {
  std::string name;  // "throughput", "median", "p99", ...
  std::string unit;  // "MB/s" (10^6 bytes), "us", ...
  double value;
};

// One row: a name and a function that measures once. Every round gives the same metrics in the same order.
struct measurement {
  std::string group;  // the subcommand it belongs to
  std::string name;
  std::function<std::vector<metric>()> run;
};

struct result {
  std::string group;
  std::string name;
  std::vector<std::vector<metric>> rounds;
};

// Durations of single operations.
class latencies {
 public:
  void add(steady_clock::duration duration) { durations_.push_back(duration); }
  std::size_t count() const { return durations_.size(); }
  // 0.5: the median, in microseconds; 0 of none. Reorders what was added.
  double quantile_us(double quantile);
  // Appends the median and the 99th percentile to `metrics`; likewise.
  void summarize(std::vector<metric>& metrics);

 private:
  std::vector<steady_clock::duration> durations_;
};

metric throughput_mb(std::size_t bytes, steady_clock::duration elapsed);
metric throughput_gb(std::size_t bytes, steady_clock::duration elapsed);

struct spread {
  double median = 0;
  double lowest = 0;
  double highest = 0;
};
// Of at least one value.
spread spread_of(std::vector<double> values);

// Three significant digits and more: 0.52, 15.3, 688, 1211.
std::string number_text(double value);

// "64 KiB"
std::string byte_text(std::size_t bytes);

// Measures everything `rounds` times. Rounds are interleaved and every other one runs backwards, so that a
// machine that drifts does not favour one row over the next.
std::vector<result> run_interleaved(const std::vector<measurement>& measurements, std::size_t rounds);

// Each metric as the median of its rounds and, in brackets, the lowest and highest.
void print_table(std::ostream& out, const std::vector<result>& results);
void print_json(std::ostream& out, const std::vector<result>& results);

}  // namespace skald::bench::limit
