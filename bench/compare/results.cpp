#include "bench/compare/results.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <iomanip>
#include <iterator>
#include <ostream>
#include <utility>

namespace skald::bench::compare {
namespace {

using limit::number_text;
using limit::spread;

// "[lowest..highest]"
std::string range_text(const spread& is) {
  return '[' + number_text(is.lowest) + ".." + number_text(is.highest) + ']';
}

void print_row(std::ostream& out, const row& of) {
  out << std::left << std::setw(20) << of.name << std::setw(12) << to_string(of.acknowledges) << std::right
      << std::setw(16) << of.variant;
  for (std::size_t i = 0; of.measured() && i < of.repetitions.front().size(); ++i) {
    const spread is = spread_of(of, i);
    out << std::setw(18) << number_text(is.median);
    if (i == 0) out << std::setw(24) << range_text(is);
  }
  if (!of.trouble.empty()) out << "  " << of.trouble;
  if (!of.cannot.empty()) out << "  not applicable: " << of.cannot;
  out << '\n';
}

// Of one workload. The columns are those of a row that has some.
void print_header(std::ostream& out, const std::vector<row>& rows) {
  out << std::left << std::setw(20) << to_string(rows.front().what) << std::setw(12) << "acknowledges"
      << std::right << std::setw(16) << "";
  const auto measured = std::ranges::find_if(rows, &row::measured);
  if (measured != rows.end()) {
    for (std::size_t i = 0; i < measured->repetitions.front().size(); ++i) {
      const metric& figure = measured->repetitions.front()[i];
      out << std::setw(18) << figure.name + ' ' + figure.unit;
      if (i == 0) out << std::setw(24) << "[lowest..highest]";
    }
  }
  out << '\n';
}

boost::json::object json_of(const row& of) {
  namespace json = boost::json;
  json::object one{{"workload", to_string(of.what)},
                   {"broker", of.name},
                   {"acknowledges", to_string(of.acknowledges)},
                   {"variant", of.variant},
                   {"trouble", of.trouble.empty() ? json::value(nullptr) : json::value(of.trouble)},
                   {"cannot", of.cannot.empty() ? json::value(nullptr) : json::value(of.cannot)}};
  json::array figures;
  for (std::size_t i = 0; of.measured() && i < of.repetitions.front().size(); ++i) {
    json::array values;
    for (const auto& each : of.repetitions) values.emplace_back(each[i].value);
    const spread is = spread_of(of, i);
    figures.push_back(json::object{{"figure", of.repetitions.front()[i].name},
                                   {"unit", of.repetitions.front()[i].unit},
                                   {"median", is.median},
                                   {"lowest", is.lowest},
                                   {"highest", is.highest},
                                   {"repetitions", std::move(values)}});
  }
  one["figures"] = std::move(figures);
  return one;
}

}  // namespace

spread spread_of(const row& of, std::size_t figure) {
  std::vector<double> values;
  for (const auto& each : of.repetitions) values.push_back(each[figure].value);
  return limit::spread_of(std::move(values));
}

void print_table(std::ostream& out, const results& all) {
  if (!all.complete) out << "interrupted: what follows is partial\n";
  for (const workload what : all_workloads()) {
    std::vector<row> rows;
    std::ranges::copy_if(all.rows, std::back_inserter(rows), [&](const row& of) { return of.what == what; });
    if (rows.empty()) continue;
    std::ranges::stable_partition(rows, [](const row& of) { return of.cannot.empty(); });
    print_header(out, rows);
    for (const row& of : rows) print_row(out, of);
    out << '\n';
  }
}

void print_csv(std::ostream& out, const results& all) {
  out << "workload,broker,acknowledges,variant,figure,unit,median,lowest,highest,repetitions,run\n"
      << std::fixed << std::setprecision(1);
  for (const row& of : all.rows) {
    for (std::size_t i = 0; of.measured() && i < of.repetitions.front().size(); ++i) {
      const metric& figure = of.repetitions.front()[i];
      const spread is = spread_of(of, i);
      out << to_string(of.what) << ',' << of.name << ',' << to_string(of.acknowledges) << ',' << of.variant
          << ',' << figure.name << ',' << figure.unit << ',' << is.median << ',' << is.lowest << ','
          << is.highest << ',' << of.repetitions.size() << ',' << (all.complete ? "complete" : "partial")
          << '\n';
    }
  }
}

void print_json(std::ostream& out, const results& all) {
  boost::json::array rows;
  for (const row& of : all.rows) rows.push_back(json_of(of));
  out << boost::json::serialize(boost::json::object{
             {"machine", all.machine}, {"complete", all.complete}, {"results", std::move(rows)}})
      << '\n';
}

}  // namespace skald::bench::compare
