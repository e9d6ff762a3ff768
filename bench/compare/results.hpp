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
  workload what = workload::publish;
  std::string name;  // "nats/default"
  durability acknowledges = durability::fsync;
  std::string variant = {};                           // "100 B"; empty of one that cannot
  std::vector<std::vector<metric>> repetitions = {};  // those that were good: the same figures each
  std::string trouble = {};                           // why one was not, or none is there
  std::string cannot = {};                            // why the broker has no part in the workload

  bool measured() const { return !repetitions.empty(); }
};

struct results {
  std::string machine;
  bool complete = true;  // not interrupted
  std::vector<row> rows = {};
};

// One figure over the repetitions of a row that was measured.
limit::spread spread_of(const row& of, std::size_t figure);

// A table for each workload.
void print_table(std::ostream& out, const results& all);
// A header, and a line for each figure of each row that was measured: what the plots read.
void print_csv(std::ostream& out, const results& all);
void print_json(std::ostream& out, const results& all);

}  // namespace skald::bench::compare
