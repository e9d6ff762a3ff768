#include "bench/compare/measure.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "bench/compare/records.hpp"
#include "bench/limit/files.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::uint64_t burst = 64;            // records between two looks at the clock
constexpr std::size_t in_flight_max = 16'384;  // records
constexpr std::uint64_t disk_bytes_free = std::uint64_t{4} << 30;
constexpr milliseconds patience{10'000};

double seconds_since(clock::time_point start) {
  return std::chrono::duration<double>(clock::now() - start).count();
}

void publish(peer& broker, const shape& how, figures& into) {
  record_source records(how.record_bytes);
  const std::unique_ptr<writer> out = broker.open_writer(how.most());
  const std::uint64_t most = std::max<std::uint64_t>(how.bytes_max / how.record_bytes, 1);
  const auto start = clock::now();
  const auto end = start + how.time;
  while (into.records < most && clock::now() < end) {
    limit::throw_if_interrupted();
    for (std::uint64_t i = 0; i < burst && into.records < most; ++i) out->write(records.make(into.records++));
  }
  out->finish();
  into.publish_per_s = static_cast<double>(into.records) / seconds_since(start);
}

void consume(peer& broker, figures& into) {
  record_check check;
  const sink take = [&](std::string_view record) { check.saw(record); };
  const std::unique_ptr<reader> in = broker.open_reader();
  const auto start = clock::now();
  while (check.seen() < into.records) {
    limit::throw_if_interrupted();
    if (!in->read(take, patience)) break;
  }
  into.consume_per_s = static_cast<double>(check.seen()) / seconds_since(start);
  if (const std::string wrong = check.complaint(into.records); !wrong.empty())
    throw std::runtime_error(wrong);
}

}  // namespace

in_flight shape::most() const {
  return {.records = std::clamp<std::size_t>(in_flight_bytes / record_bytes, 1, in_flight_max),
          .bytes = std::max(in_flight_bytes, record_bytes)};
}

figures measure_once(const candidate& what, const shape& how, const std::filesystem::path& parent) {
  const limit::scratch_directory directory(parent, disk_bytes_free);
  const std::unique_ptr<peer> broker = what.start(directory.path());
  figures measured;
  publish(*broker, how, measured);
  consume(*broker, measured);
  return measured;
}

}  // namespace skald::bench::compare
