#include "bench/curves/reader.hpp"

#include <algorithm>
#include <utility>

#include "bench/curves/records.hpp"

namespace skald::bench::curves {
namespace {

constexpr milliseconds silence_max{30'000};
// Before a consumer without records looks whether there are any left to come.
constexpr milliseconds glance{100};

// Notes that a record has come, and tells its size.
template <class Arrivals>
std::size_t note(const record& one, Arrivals& into) {
  const std::string_view value = one.value().value_or(std::string_view());
  const auto is = read_mark(value);
  if (is) into.saw(is->publisher, one.partition().value(), is->sequence);
  if (!is) into.saw_damaged();
  return value.size();
}

}  // namespace

reader::reader(client& broker, std::string topic, streams published, std::uint64_t credit_bytes)
    : broker_(broker),
      topic_(std::move(topic)),
      published_(published),
      credit_bytes_(credit_bytes),
      arrivals_(published),
      first_(published.partitions()) {}

asio::awaitable<void> reader::take(std::uint64_t records) {
  const std::uint64_t wanted = records_ + records;
  while (records_ < wanted) co_await receive();
}

asio::awaitable<void> reader::read_over_and_over(std::uint64_t records, steady_clock::time_point until) {
  std::uint64_t begun_at = records_;
  while (steady_clock::now() < until) {
    co_await receive();
    if (records_ - begun_at < records) continue;
    co_await from_->seek(earliest);
    arrivals_.rewind();
    begun_at = records_;
  }
}

asio::awaitable<void> reader::receive() {
  if (!from_) {
    subscription made = co_await broker_.subscribe(topic_, {.from = earliest, .credit_bytes = credit_bytes_});
    from_.emplace(std::move(made));
  }
  const skald::records some = co_await from_->receive({.timeout = silence_max});
  std::size_t bytes = 0;
  for (const record& one : some) {
    std::optional<offset>& first = first_[one.partition().value()];
    if (!first) first = one.offset();
    bytes += note(one, arrivals_);
    ++records_;
  }
  bytes_ += bytes;
}

discrepancies reader::found(const std::vector<std::uint64_t>& sent, bool all_kept) const {
  discrepancies all = arrivals_.found();
  for (std::uint32_t partition = 0; partition < published_.partitions(); ++partition) {
    all.missing += arrivals_.behind(partition, sent);
    // With one publisher a record's number in its stream is its offset.
    if (!all_kept && first_[partition]) all.missing -= std::min(all.missing, first_[partition]->value());
  }
  return all;
}

queue_consumer::queue_consumer(client& broker, std::string topic, streams published, std::uint32_t prefetch,
                               taken& together)
    : broker_(broker),
      topic_(std::move(topic)),
      published_(published),
      prefetch_(prefetch),
      together_(together),
      arrivals_(published) {}

asio::awaitable<void> queue_consumer::open() {
  work_queue made = co_await broker_.open_queue(topic_, queue_name, {.prefetch = prefetch_});
  from_.emplace(std::move(made));
}

asio::awaitable<void> queue_consumer::take(steady_clock::time_point until) {
  while (steady_clock::now() < until && together_.records < together_.all) {
    try {
      const deliveries some = co_await from_->receive({.timeout = glance});
      for (const delivery& one : some) note(one, arrivals_);
      from_->ack(some);
      together_.records += some.size();
      last_ = steady_clock::now();
    } catch (const error& none) {
      if (none.code() != errc::deadline_exceeded) throw;
    }
  }
  co_await from_->flush();
}

}  // namespace skald::bench::curves
