// What was measured of all brokers, and how it is shown. Pure.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "bench/compare/measure.hpp"
#include "bench/compare/peer.hpp"
#include "bench/limit/report.hpp"

namespace skald::bench::compare {

struct row {
  std::string name;  // "nats/default"
  durability acknowledges = durability::fsync;
  std::size_t record_bytes = 0;
  std::vector<figures> repetitions = {};  // those that were good
  std::string trouble = {};               // why one was not, or none is there

  bool measured() const { return !repetitions.empty(); }
};

using limit::spread;
// Of at least one repetition.
spread spread_of(const row& of, double figures::* what);

void print_table(std::ostream& out, const std::vector<row>& rows);
// A header, and a line for each row and workload: what the plots read.
void print_csv(std::ostream& out, const std::vector<row>& rows);
void print_json(std::ostream& out, const std::vector<row>& rows, const std::string& machine);

}  // namespace skald::bench::compare
