// The curves: each starts brokers of its own, measures, verifies, and adds rows to its table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/curves/table.hpp"
#include "bench/throughput/measurements.hpp"

namespace skald::bench::curves {

// What all curves have that are not about it.
inline constexpr const char* topic_name = "curve";
inline constexpr std::size_t usual_record_bytes = 1024;
inline constexpr std::uint32_t usual_partitions = 4;

struct plan {
  setting with;  // its duration is for each figure
  std::size_t rounds = 3;
  bool quick = false;                  // tiny points, which show that all of it works
  std::optional<std::uint64_t> point;  // only those at so many partitions, connections, bytes or consumers
  std::uint64_t most_bytes = 0;        // that `backlog` stores
  std::uint64_t retention_bytes = 0;   // that `retention` keeps
};

struct curve {
  std::string name;
  std::string what;
  std::vector<std::string> columns;
  std::uint64_t (*bytes_needed)(const plan&);  // of the disk, at a time
  // Throws std::exception when there is no going on, and limit::interrupted.
  void (*measure)(const plan&, table&);
};

const std::vector<curve>& all_curves();

// Measures each of so many points once in each round. Rounds alternate in direction, so that a machine that
// drifts favours no point. A point that fails is told to the table, and the others go on.
void in_rounds(const plan& by, std::size_t points, table& into,
               const std::function<void(std::size_t round, std::size_t point)>& measure);

// How much the publishers of one broker write in so many times the duration of a figure, at most.
std::uint64_t bytes_written_in(const plan& by, double durations);

// Lets this process, and those that it starts, have as many descriptors as it may.
void raise_descriptor_limit();
// Of these points those that are wanted; of a quick run only those up to `quick_most`. Throws
// std::runtime_error when the one that is wanted is none of them.
std::vector<std::uint32_t> wanted(const plan& by, std::vector<std::uint32_t> points,
                                  std::uint32_t quick_most);
// Of connections or consumers, as `what` says, likewise those of which there can be so many between two
// processes of this machine; with a remark for each of the others.
std::vector<std::uint32_t> wanted_clients(const plan& by, std::vector<std::uint32_t> points,
                                          std::uint32_t quick_most, const std::string& what, table& into);

void measure_partitions(const plan& by, table& into);
void measure_connections(const plan& by, table& into);
void measure_sizes(const plan& by, table& into);
void measure_backlog(const plan& by, table& into);
void measure_consumers(const plan& by, table& into);
void measure_retention(const plan& by, table& into);

}  // namespace skald::bench::curves
