// How the records of an active queue go out: batches are read and fed, runs are leased, encoded and sent.
#include <algorithm>
#include <string>
#include <utility>

#include "broker/server/active_queue.hpp"
#include "protocol/wire.hpp"

namespace skald::server {

namespace {

constexpr std::size_t read_bytes = 256u << 10;
constexpr std::size_t transit_bytes_max = 1u << 20;  // on their way to one consumer
constexpr std::size_t recent_bytes_max = 2u << 20;

}  // namespace

active_queue::watch::watch(active_queue& of, partition_id p, offset from) : of_(of), partition_(p) {
  of_.host_.shard->watch({of_.topic_, partition_}, from, *this);
}

active_queue::watch::~watch() {
  if (waiting_) of_.host_.shard->unwatch({of_.topic_, partition_}, *this);
}

// The shard is in the middle of something; what there is to read is read after it.
void active_queue::watch::on_readable() {
  waiting_ = false;
  of_.host_.runs_on.post([weak = of_.weak_from_this(), p = partition_] {
    const auto alive = weak.lock();
    if (!alive || alive->ended_) return;
    alive->partitions_[p.value()].waiting.reset();
    alive->pump();
  });
}

void active_queue::pump_later() {
  if (std::exchange(pump_coming_, true)) return;
  host_.runs_on.post([weak = weak_from_this()] {
    const auto alive = weak.lock();
    if (!alive) return;
    alive->pump_coming_ = false;
    alive->pump();
  });
}

void active_queue::pump() {
  if (ended_ || std::exchange(pumping_, true)) return;
  do {
    runs_.clear();
    dispatcher_->dispatch(host_.now(), runs_);
    for (const delivery::leased_run& run : runs_) {
      const auto to = consumers_.find(run.to);
      if (to != consumers_.end()) to->second.pending.push_back(run);
    }
    for (const delivery::leased_run& run : runs_) serve(run.to);
    for (std::uint32_t p = 0; p < partitions_.size(); ++p) {
      auto& window = partitions_[p].window;
      while (!window.empty() && window.front()->end() <= dispatcher_->cursor(partition_id(p))) {
        if (row_.settings.ordered_by_key) keep(window.front(), partition_id(p));
        window.pop_front();
      }
    }
  } while (!ended_ && read_more());
  pumping_ = false;
  arm();
}

// ---- reading ---------------------------------------------------------------------------------------------

// Whether more records can be given out now.
bool active_queue::read_more() {
  bool fed = false;
  for (std::uint32_t i = 0; i < partitions_.size() && !ended_; ++i) {
    const partition_state& each = partitions_[i];
    if (!each.waiting && !each.reading && dispatcher_->wants_records(partition_id(i)))
      fed |= read(partition_id(i));
  }
  return fed;
}

bool active_queue::read(partition_id p) {
  const offset from = dispatcher_->read_from(p);
  auto found =
      fetch_records(host_, {topic_, p}, from, read_bytes, [weak = weak_from_this(), p](fetched_records late) {
        const auto alive = weak.lock();
        if (!alive || alive->ended_) return;
        alive->partitions_[p.value()].reading = false;
        alive->feed(p, std::move(late));
        alive->pump();
      });
  if (found) return feed(p, std::move(*found));
  partitions_[p.value()].reading = true;
  return false;
}

bool active_queue::feed(partition_id p, fetched_records found) {
  if (found.why) return read_failed(p, found), false;
  const offset from = dispatcher_->read_from(p);
  if (found.batches.empty() && found.next <= from) return wait_for_records(p, from), false;
  partition_state& of = partitions_[p.value()];
  std::vector<std::uint64_t> keys;
  std::vector<std::pair<offset, offset>> gaps;
  offset fed = from;
  for (auto& batch : found.batches) {
    if (batch->end() <= from) continue;  // purged meanwhile
    batch->collect_gaps(fed, gaps);
    if (row_.settings.ordered_by_key) {
      if (batch->first() > fed) keys.resize(keys.size() + (batch->first() - fed));
      batch->hash_keys(from, keys);
    }
    fed = batch->end();
    of.window.push_back(std::move(batch));
  }
  if (found.next > fed) {
    gaps.emplace_back(fed, found.next);
    if (row_.settings.ordered_by_key) keys.resize(keys.size() + (found.next - fed));
    fed = found.next;
  }
  if (fed == from) return true;  // read on
  if (!gaps.empty()) settle_gaps(p, gaps);
  dispatcher_->feed(p, fed, keys);
  return true;
}

void active_queue::settle_gaps(partition_id p, const std::vector<std::pair<offset, offset>>& gaps) {
  auto& known = partitions_[p.value()].gaps;
  shard::settle_command settle;
  for (const auto& [first, end] : gaps) {
    if (known.empty() || first >= known.back().second) known.emplace_back(first, end);
    settle.settled.push_back({id_, p, first, end});
  }
  // Whoever reads here next does it again if this fails.
  host_.shard->settle(std::move(settle), [](const shard::failure&) {});
}

void active_queue::read_failed(partition_id p, const fetched_records& found) {
  const bool trimmed =
      found.why.code == errc::offset_out_of_range && found.log_start > dispatcher_->read_from(p);
  if (!trimmed) return end(found.why);
  // Retention was faster.
  drop_before(p, found.log_start);
  pump_later();
}

void active_queue::wait_for_records(partition_id p, offset from) {
  partitions_[p.value()].waiting = std::make_unique<watch>(*this, p, from);
}

// ---- sending ---------------------------------------------------------------------------------------------

void active_queue::serve(consumer_id id) {
  const auto found = consumers_.find(id);
  if (found == consumers_.end()) return;
  consumer& to = found->second;
  while (!to.pending.empty() && !to.fetching && to.in_transit < transit_bytes_max && !ended_) {
    if (!send_next(id, to)) fetch_for(id, to);
    if (!consumers_.contains(id)) return;
  }
  dispatcher_->pause(id, !to.pending.empty());
}

bool active_queue::send_next(consumer_id, consumer& to) {
  protocol::batch_builder builder(32 * 1024);
  queue_delivery sent;
  sent.partition = to.pending.front().partition;
  while (!to.pending.empty() && to.pending.front().partition == sent.partition &&
         builder.bytes() < to.delivery_bytes_max && sent.runs.size() < protocol::settled_max) {
    delivery::leased_run& run = to.pending.front();
    const auto batch = find(sent.partition, run.first);
    if (!batch) break;
    const offset until = run.first + run.count;
    const offset end = batch->copy(run.first, until, to.delivery_bytes_max, builder);
    const auto count = static_cast<std::uint32_t>(end - run.first);
    if (count == 0) break;
    if (!sent.runs.empty() && sent.runs.back().lease == run.lease) {
      sent.runs.back().count += count;
    } else {
      sent.runs.push_back(run);
      sent.runs.back().count = count;
    }
    run.first = end;
    run.count -= count;
    if (run.count == 0) to.pending.pop_front();
  }
  if (builder.empty()) return false;
  auto batch = std::make_shared<std::vector<std::byte>>(builder.finish());
  const std::span<const std::byte> bytes(*batch);
  sent.batch = slice(std::move(batch), bytes);
  to.in_transit += sent.batch.size();
  to.told({}, std::move(sent));
  return true;
}

std::shared_ptr<stored_records> active_queue::find(partition_id p, offset at) const {
  for (const auto& batch : partitions_[p.value()].window)
    if (batch->holds(at)) return batch;
  for (auto each = recent_.rbegin(); each != recent_.rend(); ++each)
    if (each->first == p && each->second->holds(at)) return each->second;
  return nullptr;
}

void active_queue::keep(std::shared_ptr<stored_records> batch, partition_id p) {
  recent_bytes_ += batch->bytes();
  recent_.emplace_back(p, std::move(batch));
  while (recent_.size() > 1 && recent_bytes_ > recent_bytes_max) {
    recent_bytes_ -= recent_.front().second->bytes();
    recent_.pop_front();
  }
}

void active_queue::fetch_for(consumer_id id, consumer& to) {
  const partition_id p = to.pending.front().partition;
  const offset at = to.pending.front().first;
  auto found = fetch_records(host_, {topic_, p}, at, 0,
                             [weak = weak_from_this(), id, p, at](const fetched_records& late) {
                               const auto alive = weak.lock();
                               if (!alive || alive->ended_) return;
                               alive->fetched_for(id, p, at, late);
                               alive->serve(id);
                               alive->pump_later();
                             });
  if (found) return fetched_for(id, p, at, *found);
  to.fetching = true;
}

void active_queue::fetched_for(consumer_id id, partition_id p, offset at, const fetched_records& found) {
  const auto to = consumers_.find(id);
  if (to != consumers_.end()) to->second.fetching = false;
  if (!found.why && !found.batches.empty() && found.batches.front()->holds(at))
    return keep(found.batches.front(), p);
  if (!found.why)
    return end(
        {errc::storage_corrupt, "the record at offset " + std::to_string(at.value()) + " cannot be found"});
  if (found.why.code != errc::offset_out_of_range || found.log_start <= at) return end(found.why);
  // Retention took them while they were leased.
  drop_before(p, found.log_start);
}

}  // namespace skald::server
