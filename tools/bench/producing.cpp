#include "tools/bench/producing.hpp"

#include <optional>
#include <skald/protocol/partitioner.hpp>
#include <utility>

namespace skald::cli::bench {
namespace {

// Sent between two looks at the clock: few enough to take microseconds, so that the time at the beginning is
// everybody's.
constexpr int burst = 64;

// With a target rate, what is due before the end may be sent this much after it.
constexpr std::chrono::milliseconds lateness_max{1000};

// One of `count` at random, the same in every run (SplitMix64's finalizer, Steele et al. 2014).
std::size_t choose(std::uint64_t number, std::size_t count) {
  number = (number + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return static_cast<std::size_t>((number ^ (number >> 31)) % count);
}

}  // namespace

void unacknowledged::grow() {
  std::vector<entry> larger(ring_.size() * 2);
  for (std::size_t at = begin_; at != end_; ++at)
    larger[at & (larger.size() - 1)] = ring_[at & (ring_.size() - 1)];
  ring_ = std::move(larger);
}

producing_worker::producing_worker(const worker_setting& with, control& run, const producing& how,
                                   payload_pool payloads, flow& sent)
    : worker(with, "skald-bench-producer", run),
      how_(how),
      payloads_(std::move(payloads)),
      flow_(sent),
      sequences_(how.partitions) {
  if (how.until_acknowledged) outstanding_.resize(how.partitions);
  for (std::uint32_t i = 0; i < how.keys; ++i) {
    keys_.push_back("key-" + std::to_string(i));
    key_partitions_.push_back(protocol::partition_for(keys_.back(), how.partitions));
  }
  flow_.wake = [this] { post_wake(); };
}

asio::awaitable<void> producing_worker::prepare() {
  co_return;
}

asio::awaitable<void> producing_worker::work() {
  producer out(broker(), how_.batches);
  out.on_delivery([this](const delivery_report& report) { acknowledged(report); });
  std::optional<schedule> times;
  if (how_.rate != 0) times.emplace(static_cast<double>(how_.rate), how_.index, how_.of, run().times().start);
  for (;;) {
    const auto now = steady::now();
    const progress made = send_some(out, times ? &*times : nullptr, now);
    throw_failure();
    if (made == progress::over || finishing()) break;
    if (made == progress::full && times && now >= run().times().until) break;
    if (made == progress::more) co_await yield();
    if (made == progress::ahead) co_await pause(times->due(all_sent_));
    if (made == progress::full) co_await wait_for_room();
  }
  co_await out.flush();
  if (times) missed_from(*times, all_sent_);
}

producing_worker::progress producing_worker::send_some(producer& out, const schedule* times,
                                                       steady::time_point now) {
  const window& run_times = run().times();
  if (run_times.until != steady::time_point::max()) {
    const auto grace = times != nullptr ? lateness_max : std::chrono::milliseconds(0);
    if (now - run_times.until >= grace) return progress::over;
  }
  for (int i = 0; i < burst; ++i) {
    const auto due = times != nullptr ? times->due(all_sent_) : now;
    if (due >= run_times.until) return progress::over;
    if (how_.count != 0 && measured_ == how_.count) return progress::over;
    if (due > now) return progress::ahead;
    if (is_full() || !send_one(out, due)) return progress::full;
  }
  return progress::more;
}

bool producing_worker::send_one(producer& out, steady::time_point due) {
  message what;
  if (keys_.empty()) {
    what.partition = partition_id(static_cast<std::uint32_t>((all_sent_ + how_.index) % how_.partitions));
  } else {
    const std::size_t chosen = choose(all_sent_ * how_.of + how_.index, keys_.size());
    what.key = keys_[chosen];
    what.partition = key_partitions_[chosen];
  }
  const std::uint32_t partition = what.partition->value();
  const payload next = payloads_.next();
  const std::span<char> record = next.record;
  if (record.size() >= stamp_bytes) {
    write_stamp(next, {.producer = how_.index,
                       .sequence = sequences_[partition],
                       .due_ns = due.time_since_epoch().count()});
  }
  what.value = std::string_view(record.data(), record.size());
  if (!out.try_send(how_.topic, what)) {
    no_room_ = true;
    return false;
  }
  ++sequences_[partition];
  ++all_sent_;
  if (due >= run().times().from) ++measured_;
  if (how_.until_acknowledged) outstanding_[partition].push({due, record.size()});
  return true;
}

asio::awaitable<void> producing_worker::wait_for_room() {
  // Whatever completes between the look and the pause finds the announcement, and wakes this.
  flow_.announce_wait();
  if (is_full()) co_await pause(run().times().until);
}

void producing_worker::acknowledged(const delivery_report& report) {
  no_room_ = false;
  wake();
  if (report.failed) {
    keep_failure(std::make_exception_ptr(*report.failed));
    return;
  }
  if (!how_.until_acknowledged) return;
  const auto now = steady::now();
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < report.records; ++i) {
    const unacknowledged::entry one = outstanding_[report.partition.value()].pop();
    took(one.due, now);
    bytes += one.bytes;
  }
  counted().add(report.records, bytes);
  flow_.complete(report.records);
}

}  // namespace skald::cli::bench
