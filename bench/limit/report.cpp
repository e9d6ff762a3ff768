#include "bench/limit/report.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iomanip>
#include <ostream>
#include <ranges>
#include <sstream>
#include <utility>

namespace skald::bench::limit {
namespace {

spread spread_of(const result& result, std::size_t metric_index) {
  std::vector<double> values;
  values.reserve(result.rounds.size());
  for (const std::vector<metric>& round : result.rounds) values.push_back(round[metric_index].value);
  return limit::spread_of(std::move(values));
}

double per_second(std::size_t bytes, steady_clock::duration elapsed) {
  return static_cast<double>(bytes) / std::chrono::duration<double>(elapsed).count();
}

}  // namespace

double latencies::quantile_us(double quantile) {
  if (durations_.empty()) return 0.0;
  const auto rank =
      durations_.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(durations_.size() - 1) * quantile);
  std::nth_element(durations_.begin(), rank, durations_.end());
  return std::chrono::duration<double, std::micro>(*rank).count();
}

void latencies::summarize(std::vector<metric>& metrics) {
  metrics.push_back({"median", "us", quantile_us(0.5)});
  metrics.push_back({"p99", "us", quantile_us(0.99)});
}

std::string number_text(double value) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(value < 10 ? 2 : value < 100 ? 1 : 0) << value;
  return text.str();
}

spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

metric throughput_mb(std::size_t bytes, steady_clock::duration elapsed) {
  return {"throughput", "MB/s", per_second(bytes, elapsed) / 1e6};
}

metric throughput_gb(std::size_t bytes, steady_clock::duration elapsed) {
  return {"throughput", "GB/s", per_second(bytes, elapsed) / 1e9};
}

std::string byte_text(std::size_t bytes) {
  if (bytes >= std::size_t{1} << 20 && bytes % (std::size_t{1} << 20) == 0)
    return std::to_string(bytes >> 20) + " MiB";
  if (bytes >= 1024 && bytes % 1024 == 0) return std::to_string(bytes >> 10) + " KiB";
  return std::to_string(bytes) + " B";
}

std::vector<result> run_interleaved(const std::vector<measurement>& measurements, std::size_t rounds) {
  std::vector<result> results;
  results.reserve(measurements.size());
  for (const measurement& each : measurements) results.push_back({each.group, each.name, {}});
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < measurements.size(); ++i) {
      const std::size_t index = round % 2 == 0 ? i : measurements.size() - 1 - i;
      results[index].rounds.push_back(measurements[index].run());
    }
  }
  return results;
}

void print_table(std::ostream& out, const std::vector<result>& results) {
  std::size_t name_width = 0;
  for (const result& each : results) name_width = std::max(name_width, each.name.size() + 2);
  std::string group;
  for (const result& each : results) {
    if (each.group != group) {
      group = each.group;
      out << group << '\n';
    }
    out << "  " << std::left << std::setw(static_cast<int>(name_width)) << each.name;
    const std::vector<metric>& metrics = each.rounds.front();
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      const spread shown = spread_of(each, i);
      std::string text = metrics[i].name + ' ' + number_text(shown.median) + ' ' + metrics[i].unit + " [" +
                         number_text(shown.lowest) + ".." + number_text(shown.highest) + ']';
      if (i + 1 < metrics.size()) text.resize(std::max<std::size_t>(text.size() + 2, 38), ' ');
      out << text;
    }
    out << '\n';
  }
}

void print_json(std::ostream& out, const std::vector<result>& results) {
  boost::json::array rows;
  for (const result& each : results) {
    boost::json::object metrics;
    for (std::size_t i = 0; i < each.rounds.front().size(); ++i) {
      const metric& first = each.rounds.front()[i];
      const spread shown = spread_of(each, i);
      boost::json::array values;
      for (const std::vector<metric>& round : each.rounds) values.push_back(round[i].value);
      boost::json::object entry;
      entry["unit"] = first.unit;
      entry["median"] = shown.median;
      entry["lowest"] = shown.lowest;
      entry["highest"] = shown.highest;
      entry["rounds"] = std::move(values);
      metrics[first.name] = std::move(entry);
    }
    boost::json::object row;
    row["group"] = each.group;
    row["name"] = each.name;
    row["metrics"] = std::move(metrics);
    rows.push_back(std::move(row));
  }
  boost::json::object document;
  document["processors"] = sysconf(_SC_NPROCESSORS_ONLN);
  document["results"] = std::move(rows);
  out << boost::json::serialize(document) << '\n';
}

}  // namespace skald::bench::limit
