// One connection publishes, as fast as it can; then another reads everything from the beginning.
#include <stdexcept>

#include "bench/compare/load.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

outcome rate(workload what, std::uint64_t records, double seconds, std::size_t record_bytes) {
  const double per_second = static_cast<double>(records) / seconds;
  return {.what = what,
          .figures = {{"records", "/s", per_second},
                      {"data", "MB/s", per_second * static_cast<double>(record_bytes) / 1e6}}};
}

}  // namespace

std::vector<outcome> measure_publish_and_consume(peer& broker, const task& how) {
  std::vector<outcome> both;
  std::uint64_t sent = 0;
  {
    const std::unique_ptr<writer> out = broker.open_writer(how.most());
    const auto start = clock::now();
    sent = write_for(*out, how, [](std::uint64_t) { limit::throw_if_interrupted(); });
    both.push_back(rate(workload::publish, sent, seconds_since(start), how.record_bytes));
  }
  record_check check;
  const sink take = [&](std::string_view record) { check.saw(record); };
  const std::unique_ptr<reader> in = broker.open_reader();
  const auto start = clock::now();
  while (check.seen() < sent) {
    limit::throw_if_interrupted();
    if (!in->read(take, patience)) break;
  }
  both.push_back(rate(workload::consume, check.seen(), seconds_since(start), how.record_bytes));
  if (const std::string wrong = check.complaint(sent); !wrong.empty()) throw std::runtime_error(wrong);
  return both;
}

}  // namespace skald::bench::compare
