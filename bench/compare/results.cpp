#include "bench/compare/results.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <iomanip>
#include <ostream>
#include <utility>

namespace skald::bench::compare {
namespace {

struct workload {
  const char* name;
  double figures::* what;
};
constexpr std::array<workload, 2> workloads{
    {{"publish", &figures::publish_per_s}, {"consume", &figures::consume_per_s}}};

double megabytes(double records, const row& of) {
  return records * static_cast<double>(of.record_bytes) / 1e6;
}

}  // namespace

std::string_view to_string(durability what) noexcept {
  switch (what) {
    case durability::memory:
      return "memory";
    case durability::page_cache:
      return "page cache";
    case durability::fsync:
      return "fsync";
  }
  return "";
}

spread spread_of(const row& of, double figures::* what) {
  std::vector<double> values;
  for (const figures& each : of.repetitions) values.push_back(each.*what);
  return limit::spread_of(std::move(values));
}

void print_table(std::ostream& out, const std::vector<row>& rows) {
  out << std::left << std::setw(20) << "broker" << std::setw(12) << "acknowledges" << std::right
      << std::setw(8) << "bytes";
  for (const workload& each : workloads)
    out << std::setw(13) << (std::string(each.name) + "/s") << std::setw(10) << "MB/s" << std::setw(22)
        << "[lowest..highest]";
  out << '\n' << std::fixed << std::setprecision(0);
  for (const row& of : rows) {
    out << std::left << std::setw(20) << of.name << std::setw(12) << to_string(of.acknowledges) << std::right
        << std::setw(8) << of.record_bytes;
    if (of.measured()) {
      for (const workload& each : workloads) {
        const spread is = spread_of(of, each.what);
        const std::string range = "[" + std::to_string(static_cast<std::uint64_t>(is.lowest)) + ".." +
                                  std::to_string(static_cast<std::uint64_t>(is.highest)) + "]";
        out << std::setw(13) << is.median << std::setw(10) << megabytes(is.median, of) << std::setw(22)
            << range;
      }
    }
    if (!of.trouble.empty()) out << "  " << of.trouble;
    out << '\n';
  }
}

void print_csv(std::ostream& out, const std::vector<row>& rows) {
  out << "workload,broker,acknowledges,record_bytes,median_per_s,lowest_per_s,highest_per_s,median_mb_per_s,"
         "repetitions\n"
      << std::fixed << std::setprecision(1);
  for (const workload& each : workloads) {
    for (const row& of : rows) {
      if (!of.measured()) continue;
      const spread is = spread_of(of, each.what);
      out << each.name << ',' << of.name << ',' << to_string(of.acknowledges) << ',' << of.record_bytes << ','
          << is.median << ',' << is.lowest << ',' << is.highest << ',' << megabytes(is.median, of) << ','
          << of.repetitions.size() << '\n';
    }
  }
}

void print_json(std::ostream& out, const std::vector<row>& rows, const std::string& machine) {
  namespace json = boost::json;
  json::array all;
  for (const row& of : rows) {
    json::object one{
        {"broker", of.name}, {"acknowledges", to_string(of.acknowledges)}, {"record_bytes", of.record_bytes}};
    one["trouble"] = of.trouble.empty() ? json::value(nullptr) : json::value(of.trouble);
    for (const workload& each : workloads) {
      json::array repetitions;
      for (const figures& measured : of.repetitions) repetitions.emplace_back(measured.*each.what);
      json::object figure{{"repetitions", std::move(repetitions)}};
      if (of.measured()) {
        const spread is = spread_of(of, each.what);
        figure["median_per_s"] = is.median;
        figure["lowest_per_s"] = is.lowest;
        figure["highest_per_s"] = is.highest;
      }
      one[each.name] = std::move(figure);
    }
    all.push_back(std::move(one));
  }
  out << json::serialize(json::object{{"machine", machine}, {"results", std::move(all)}}) << '\n';
}

}  // namespace skald::bench::compare
