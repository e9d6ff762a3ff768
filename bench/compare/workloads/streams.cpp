// One connection publishes to many streams in turn: topics or queues of their own, or partitions of a topic,
// whatever the broker calls what has an order of its own. All have to hold all records in the end.
#include <stdexcept>

#include "bench/compare/load.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {

outcome measure_streams(peer& broker, const task& how) {
  const std::unique_ptr<writer> out = broker.open_writer(how.most());
  const auto start = clock::now();
  const std::uint64_t sent = write_for(*out, how, [](std::uint64_t) { limit::throw_if_interrupted(); });
  const double seconds = seconds_since(start);
  std::uint64_t there = 0;
  const auto count = [&] { return there = broker.count_stored(); };
  if (!wait_until_seen(sent, count, limit::throw_if_interrupted) || there != sent)
    throw std::runtime_error(std::to_string(there) + " records are there, " + std::to_string(sent) +
                             " were acknowledged");
  return {.what = workload::streams, .figures = {{"records", "/s", static_cast<double>(sent) / seconds}}};
}

}  // namespace skald::bench::compare
