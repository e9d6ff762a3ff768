#include "bench/curves/publishers.hpp"

#include <memory>
#include <numeric>
#include <stdexcept>

namespace skald::bench::curves {
namespace {

std::uint64_t sum(const std::vector<std::uint64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}

double seconds_since(steady_clock::time_point began) {
  return std::chrono::duration<double>(steady_clock::now() - began).count();
}

std::vector<payload_pool> pools(std::uint32_t count, std::size_t record_bytes) {
  const auto one = payload_pool::generated(record_bytes, record_bytes, cli::bench::content::random);
  return {count, one};
}

crew<reader> one_reader(const std::string& address, const std::string& topic, streams published) {
  return {address, 1, [&](client& broker, std::uint32_t, std::uint32_t) {
            return std::make_unique<reader>(broker, topic, published);
          }};
}

}  // namespace

void expect_none(const discrepancies& found) {
  if (!found.none()) throw std::runtime_error("what came is not what was published: " + found.text());
}

publishers::publishers(const std::string& address, std::uint32_t count, const publishing& how,
                       std::size_t record_bytes)
    : how_(how),
      record_bytes_(record_bytes),
      payloads_(pools(fleet::lanes_of(count), record_bytes)),
      crew_(address, count, [this](client& broker, std::uint32_t index, std::uint32_t lane) {
        publishing mine = how_;
        mine.index = index;
        return std::make_unique<publisher>(broker, payloads_[lane], mine);
      }) {}

rate publishers::publish(std::uint32_t active, ending enough, const std::function<void()>& watch) {
  const std::uint64_t before = records();
  const std::uint64_t batches_before = batches();
  const auto began = steady_clock::now();
  crew_.run(active, [enough](publisher& one) { return one.publish(enough); }, watch);
  const double seconds = seconds_since(began);
  const std::uint64_t more = records() - before;
  return {.records = more,
          .bytes = more * record_bytes_,
          .seconds = seconds,
          .batches = batches() - batches_before};
}

std::uint64_t publishers::acknowledged_bytes() const {
  std::uint64_t all = 0;
  for (std::uint32_t i = 0; i < crew_.size(); ++i) all += crew_[i].acknowledged_bytes();
  return all;
}

std::vector<std::uint64_t> publishers::sent() const {
  std::vector<std::uint64_t> all;
  for (std::uint32_t i = 0; i < crew_.size(); ++i)
    all.insert(all.end(), crew_[i].sent().begin(), crew_[i].sent().end());
  return all;
}

std::uint64_t publishers::records() const {
  return sum(sent());
}

std::uint64_t publishers::batches() const {
  std::uint64_t all = 0;
  for (std::uint32_t i = 0; i < crew_.size(); ++i) all += crew_[i].batches();
  return all;
}

tail::tail(const std::string& address, const publishers& of)
    : crew_(one_reader(address, of.topic(), of.published())) {}

rate tail::catch_up(const publishers& of) {
  const rate made = take(of.records() - crew_[0].records());
  expect_none(crew_[0].found(of.sent()));
  return made;
}

void tail::read_what_is_kept(const publishers& of, std::uint64_t records) {
  take(records);
  expect_none(crew_[0].found(of.sent(), false));
}

rate tail::take(std::uint64_t records) {
  const std::uint64_t bytes_before = crew_[0].bytes();
  const std::uint64_t records_before = crew_[0].records();
  const auto began = steady_clock::now();
  crew_.run([records](reader& one) { return one.take(records); });
  return {.records = crew_[0].records() - records_before,
          .bytes = crew_[0].bytes() - bytes_before,
          .seconds = seconds_since(began)};
}

}  // namespace skald::bench::curves
