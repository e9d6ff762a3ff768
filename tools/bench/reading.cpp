#include "tools/bench/reading.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "tools/bench/payload.hpp"
#include "tools/cli/exit_code.hpp"

namespace skald::cli::bench {
namespace {

steady::time_point due_time(const stamp& is) {
  return steady::time_point(std::chrono::nanoseconds(is.due_ns));
}

// The stamp of a record of this run; nothing when it is damaged.
std::optional<stamp> stamp_of(const record& one, const streams& sent) {
  const auto is = read_stamp(one.value().value_or(std::string_view()));
  if (!is || !sent.knows(is->producer, one.partition().value())) return std::nullopt;
  return is;
}

// Notes that a record has come. The stamp of one of this run; nothing when it is damaged.
template <class Arrivals>
std::optional<stamp> note(const record& one, const streams& sent, Arrivals& into) {
  const auto is = stamp_of(one, sent);
  if (is) into.saw(is->producer, one.partition().value(), is->sequence);
  if (!is) into.saw_damaged();
  return is;
}

std::size_t value_bytes(const record& one) {
  return one.value() ? one.value()->size() : 0;
}

void complete(const flows& all, std::vector<std::uint64_t>& completed) {
  for (std::size_t i = 0; i < all.size(); ++i)
    if (completed[i] != 0) all[i]->complete(std::exchange(completed[i], 0));
}

}  // namespace

// ---- following -------------------------------------------------------------------------------------------

following_worker::following_worker(const worker_setting& with, control& run, const reading& what,
                                   const flows& complete)
    : worker(with, "skald-bench-consumer", run),
      what_(what),
      flows_(complete),
      arrivals_(*what.sent),
      completed_(complete.size()) {}

asio::awaitable<void> following_worker::prepare() {
  subscription made =
      co_await broker().subscribe(what_.topic, {.from = earliest, .partitions = what_.partitions});
  subscription_ = std::move(made);
}

asio::awaitable<void> following_worker::work() {
  auto until = asio::bind_cancellation_slot(until_finish(), asio::use_awaitable);
  while (!finishing()) {
    try {
      const records some = co_await subscription_.receive({}, until);
      take(some);
    } catch (const error& ended) {
      if (ended.code() != errc::cancelled) throw;
    }
  }
}

void following_worker::take(const records& some) {
  const auto now = steady::now();
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  for (const record& one : some) {
    const auto is = note(one, *what_.sent, arrivals_);
    if (!is) continue;
    took(due_time(*is), now);
    ++completed_[is->producer];
    ++count;
    bytes += value_bytes(one);
  }
  counted().add(count, bytes);
  complete(flows_, completed_);
}

// ---- catching up -----------------------------------------------------------------------------------------

catching_up_worker::catching_up_worker(const worker_setting& with, control& run, const reading& what)
    : worker(with, "skald-bench-consumer", run), what_(what) {
  if (what.sent != nullptr) arrivals_ = std::make_unique<ordered_arrivals>(*what.sent);
}

asio::awaitable<void> catching_up_worker::prepare() {
  const auto begins =
      co_await broker().list_offsets(what_.topic, {.at = earliest, .partitions = what_.partitions});
  const auto ends =
      co_await broker().list_offsets(what_.topic, {.at = latest, .partitions = what_.partitions});
  for (const auto& [partition, at] : begins) {
    places_.resize(std::max<std::size_t>(places_.size(), partition.value() + 1));
    places_[partition.value()].begin = at;
  }
  for (const auto& [partition, at] : ends) places_.at(partition.value()).end = at;
  begin_pass();
  if (unfinished_ == 0) {
    throw command_error(exit_code::failed, "topic '" + what_.topic + "' has no records to consume" +
                                               (what_.partitions.empty() ? "" : " for each consumer"));
  }
}

asio::awaitable<void> catching_up_worker::work() {
  subscription made =
      co_await broker().subscribe(what_.topic, {.from = earliest, .partitions = what_.partitions});
  subscription_ = std::move(made);
  auto until = asio::bind_cancellation_slot(until_finish(), asio::use_awaitable);
  const bool once = run().times().until == steady::time_point::max();
  while (!finishing() && steady::now() < run().times().until) {
    try {
      const records some = co_await subscription_.receive({}, until);
      take(some);
    } catch (const error& ended) {
      if (ended.code() != errc::cancelled) throw;
    }
    if (unfinished_ != 0) continue;
    end_pass();
    if (once) break;
    co_await subscription_.seek(earliest);
    begin_pass();
  }
  if (arrivals_) found_ += arrivals_->found();
}

void catching_up_worker::begin_pass() {
  unfinished_ = 0;
  for (place& each : places_) {
    each.next = each.begin;
    if (!each.done()) ++unfinished_;
  }
}

void catching_up_worker::take(const records& some) {
  place& here = places_.at(some.partition().value());
  const bool was_done = here.done();
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  for (const record& one : some) {
    if (arrivals_) {
      note(one, *what_.sent, *arrivals_);
    } else if (one.offset() < here.next) {
      ++found_.repeated;  // gaps may be, by compaction and retention
    }
    here.next = one.offset() + 1;
    ++count;
    bytes += value_bytes(one);
  }
  here.next = std::max(here.next, some.end_offset());
  if (!was_done && here.done()) --unfinished_;
  counted().add(count, bytes);
}

void catching_up_worker::end_pass() {
  ++passes_;
  if (!arrivals_) return;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const place& each = places_[i];
    if (each.end > each.begin)
      found_.missing += arrivals_->behind(static_cast<std::uint32_t>(i), *what_.expected);
  }
  arrivals_->rewind();
}

// ---- a queue ---------------------------------------------------------------------------------------------

queue_worker::queue_worker(const worker_setting& with, control& run, const consuming& what,
                           const flows& complete)
    : worker(with, "skald-bench-consumer", run),
      what_(what),
      flows_(complete),
      arrivals_(*what.sent),
      completed_(complete.size()) {}

asio::awaitable<void> queue_worker::prepare() {
  work_queue opened = co_await broker().open_queue(what_.topic, what_.queue, {.prefetch = what_.prefetch});
  queue_ = std::move(opened);
}

asio::awaitable<void> queue_worker::work() {
  auto until = asio::bind_cancellation_slot(until_finish(), asio::use_awaitable);
  while (!finishing()) {
    try {
      const deliveries some = co_await queue_.receive({}, until);
      take(some);
    } catch (const error& ended) {
      if (ended.code() != errc::cancelled) throw;
    }
  }
  co_await queue_.flush();
}

void queue_worker::take(const deliveries& some) {
  const auto now = steady::now();
  std::uint64_t bytes = 0;
  for (const delivery& one : some) {
    const auto is = note(one, *what_.sent, arrivals_);
    if (!is) continue;
    took(due_time(*is), now);
    ++completed_[is->producer];
    bytes += value_bytes(one);
  }
  queue_.ack(some);
  counted().add(some.size(), bytes);
  complete(flows_, completed_);
}

}  // namespace skald::cli::bench
