// The requests, the history and the clock; records go out in queue_delivery.cpp, verdicts in
// queue_verdicts.cpp.
#include "broker/server/active_queue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace skald::server {

using delivery::known_range;
using delivery::verdict;

namespace {

delivery::dispatch_settings dispatch_of(const shard::queue_settings& is) {
  return {.lease = moment(is.lease_ms),
          .max_attempts = is.max_attempts,
          .backoff_min = moment(is.backoff_min_ms),
          .backoff_max = moment(is.backoff_max_ms),
          .ordered_by_key = is.ordered_by_key};
}

}  // namespace

active_queue::active_queue(queue_host& host, queue_id id, std::function<void(queue_id)> when_idle)
    : host_(host),
      id_(id),
      topic_(host.shard->queues().row(id)->topic),
      row_(*host.shard->queues().row(id)),
      when_idle_(std::move(when_idle)),
      dispatcher_(std::make_unique<delivery::queue_dispatcher>(dispatch_of(row_.settings),
                                                               static_cast<queue_history&>(*this))) {
  const auto topic = host_.shard->topic(topic_);
  topic_name_ = topic.name;
  add_partitions(topic.settings.partitions);
}

active_queue::~active_queue() = default;

// ---- consumers ----

void active_queue::open(consumer_id id, const queue_opening& how, queue_told told) {
  consumer& added = consumers_[id];
  added.told = std::move(told);
  added.delivery_bytes_max = how.delivery_bytes_max;
  dispatcher_->add_consumer(id, how.prefetch);
  pump();
}

void active_queue::close(consumer_id id, bool counted) {
  if (consumers_.erase(id) == 0) return;
  std::vector<verdict> verdicts;
  dispatcher_->remove_consumer(id, counted, "the consumer's connection closed", host_.now(), verdicts);
  carry_out(std::move(verdicts), {});
  pump();
  settled_idle();
}

void active_queue::settle(consumer_id id, std::vector<queue_settlement> what,
                          std::function<void(std::vector<settle_failure>)> tell) {
  const moment now = host_.now();
  std::vector<settle_failure> failures;
  std::vector<verdict> verdicts;
  for (std::size_t i = 0; i < what.size(); ++i) {
    const queue_settlement& one = what[i];
    const bool held =
        one.how ? dispatcher_->settle(id, one.what, *one.how, one.delay, one.reason, now, verdicts)
                : dispatcher_->extend(id, one.what, now + one.delay.value_or(moment(row_.settings.lease_ms)));
    if (held) continue;
    failures.push_back(
        {i,
         {errc::unknown_lease,
          fmt::format(
              "this consumer of queue '{}' does not hold records {} to {} under lease {}: it has run out, "
              "or they are settled already",
              row_.name, one.what.first.value(), one.what.end.value() - 1, one.what.lease.value())}});
  }
  if (verdicts.empty()) {
    tell(std::move(failures));
  } else {
    carry_out(std::move(verdicts), [tell = std::move(tell), failures = std::move(failures),
                                    count = what.size()](const shard::failure& why) mutable {
      if (why) {
        failures.clear();
        for (std::size_t i = 0; i < count; ++i) failures.push_back({i, why});
      }
      tell(std::move(failures));
    });
  }
  pump_later();
}

void active_queue::delivered(consumer_id id, std::size_t bytes) {
  const auto found = consumers_.find(id);
  if (found == consumers_.end()) return;
  found->second.in_transit -= std::min(bytes, found->second.in_transit);
  if (found->second.pending.empty()) return;
  serve(id);
  pump_later();
}

// ---- commits ----

std::optional<delivery::set_aside_records> active_queue::set_aside(consumer_id id,
                                                                   const delivery::lease_ref& what) {
  if (ended_) return std::nullopt;
  auto taken = dispatcher_->set_aside(id, what);
  if (taken) pump_later();
  return taken;
}

void active_queue::committed(const delivery::set_aside_records& what, bool took_effect) {
  if (ended_) return;
  if (took_effect) {
    dispatcher_->acknowledged(what, host_.now());
  } else {
    std::vector<verdict> verdicts;
    dispatcher_->give_back(what, host_.now(), verdicts);
    carry_out(std::move(verdicts), {});
  }
  pump_later();
  settled_idle();
}

// ---- what happens to the queue ----

void active_queue::topic_grew(std::uint32_t partitions) {
  add_partitions(partitions);
  dead_topic_ready_ = false;
  pump_later();
}

void active_queue::add_partitions(std::uint32_t partitions) {
  while (partitions_.size() < partitions) {
    const partition_id added(static_cast<std::uint32_t>(partitions_.size()));
    partitions_.emplace_back();
    dispatcher_->add_partition(host_.shard->queues().floor({id_, added}));
  }
}

void active_queue::settings_changed() {
  // Whether it is ordered stays as it was, also when that was altered while the first consumer came.
  const bool ordered = row_.settings.ordered_by_key;
  if (const state::queue_row* row = host_.shard->queues().row(id_)) row_ = *row;
  row_.settings.ordered_by_key = ordered;
  dispatcher_->alter(dispatch_of(row_.settings));
  dead_topic_ready_ = false;
}

void active_queue::purged() {
  for (std::uint32_t p = 0; p < partitions_.size(); ++p)
    drop_before(partition_id(p), host_.shard->queues().floor({id_, partition_id(p)}));
  pump_later();
}

void active_queue::drop_before(partition_id p, offset floor) {
  dispatcher_->drop_before(p, floor);
  partitions_[p.value()].window.clear();
  for (auto& [id, one] : consumers_) {
    for (delivery::leased_run& run : one.pending) {
      if (run.partition != p || run.first >= floor) continue;
      const std::uint64_t gone = std::min<std::uint64_t>(floor - run.first, run.count);
      run.first += gone;
      run.count -= static_cast<std::uint32_t>(gone);
    }
    std::erase_if(one.pending, [](const delivery::leased_run& run) { return run.count == 0; });
    dispatcher_->pause(id, !one.pending.empty());
  }
}

void active_queue::end_unpark(moment at) {
  dispatcher_->end_unpark(at);
  pump_later();
}

void active_queue::abandon() {
  ended_ = true;
  for (partition_state& each : partitions_) each.waiting.reset();
}

void active_queue::end(const shard::failure& why) {
  if (std::exchange(ended_, true)) return;
  for (partition_state& each : partitions_) each.waiting.reset();
  for (const auto& [id, each] : std::exchange(consumers_, {})) each.told(why, {});
  // Nobody is inside when it goes.
  host_.runs_on.post([self = shared_from_this()] { self->when_idle_(self->id_); });
}

void active_queue::settled_idle() {
  if (ended_ || !idle()) return;
  host_.runs_on.post([self = shared_from_this()] {
    if (!self->ended_ && self->idle()) self->when_idle_(self->id_);
  });
}

// ---- the history ----

known_range active_queue::known(partition_id p, offset first, const state::queue_record_row& row) const {
  return {p, first, row.end, row.settled, row.attempts, host_.steady(row.parked_until)};
}

std::optional<known_range> active_queue::next(partition_id p, offset from) {
  const auto found = host_.shard->queues().next_range({id_, p}, from);
  auto& gaps = partitions_[p.value()].gaps;
  while (!gaps.empty() && gaps.front().second <= from) gaps.pop_front();
  if (!gaps.empty() && (!found || gaps.front().first < found->first)) {
    return known_range{
        .partition = p, .first = gaps.front().first, .end = gaps.front().second, .settled = true};
  }
  return found ? std::optional(known(p, found->first, found->second)) : std::nullopt;
}

std::vector<known_range> active_queue::parked(const delivery::parked_key& from, std::size_t count,
                                              const std::function<offset(partition_id)>& cursor) {
  std::map<delivery::parked_key, known_range> earliest;
  host_.shard->queues().for_each_range(
      id_, [&](const state::queue_record_key& key, const state::queue_record_row& row) {
        const known_range one = known(key.of.partition, key.first, row);
        const delivery::parked_key place{one.due, one.partition, one.first};
        if (row.settled || place < from || key.first >= cursor(key.of.partition)) return;
        earliest.emplace(place, one);
        if (earliest.size() > count) earliest.erase(std::prev(earliest.end()));
      });
  std::vector<known_range> ranges;
  ranges.reserve(earliest.size());
  for (const auto& [place, one] : earliest) ranges.push_back(one);
  return ranges;
}

// ---- the clock ----

void active_queue::arm() {
  const auto next = dispatcher_->next_event();
  if (!next || ended_ || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  const moment delay = std::max(*next - host_.now(), moment(1));
  host_.runs_on.post_after(delay, [weak = weak_from_this(), at = *next] {
    const auto self = weak.lock();
    if (self && self->armed_ == at) self->on_timer();
  });
}

void active_queue::on_timer() {
  armed_.reset();
  if (ended_) return;
  recent_.clear();
  recent_bytes_ = 0;
  std::vector<verdict> verdicts;
  dispatcher_->expire(host_.now(), verdicts);
  carry_out(std::move(verdicts), {});
  pump();
}

}  // namespace skald::server
