#include <algorithm>
#include <utility>

#include "broker/shard/partition_index.hpp"
#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

namespace {

// Work on the executor is done in slices of about a millisecond, so that requests get their turn in between.
constexpr std::size_t garbage_rows_per_step = 512;
constexpr std::size_t partitions_per_step = 256;
constexpr std::size_t expired_per_partition = 4096;
constexpr std::size_t expired_per_looked_at = 16;  // looking at a partition costs as much
constexpr std::size_t tombstone_keys_per_step = 1024;
constexpr std::size_t producers_per_step = 4096;
constexpr std::size_t committers_per_step = 16;  // each may have a thousand commits to forget

// A state that changes little is flushed now and then, too, so that a restart has hardly anything to replay.
constexpr std::chrono::minutes flush_interval{1};
constexpr std::chrono::hours expiry_interval{1};

}  // namespace

void shard::impl::tick() {
  if (stopping_ || broken_) return;
  try {
    since_flush_ += options_.retention_interval;
    since_expiry_ += options_.retention_interval;
    flusher_.retry();
    if (!flusher_.busy() && ((flusher_.dirty() && since_flush_ >= flush_interval) || segments_to_win()))
      flusher_.start();
    if (since_expiry_ >= expiry_interval) {
      since_expiry_ = {};
      expiring_ = true;
    }
    if (expiring_) expire_step();
    relocate_if_worthwhile();
    expire_tombstones_step();
    compact_step();
    if (trims_proposed_ == 0) retention_step();
    fire_due();
  } catch (const std::exception& why) {
    return broken(why);
  }
  post_after(options_.retention_interval, [](impl& self) { self.tick(); });
}

// ---- flushing ----

void shard::impl::on_flushed(const state::frozen_tables& stored) {
  since_flush_ = {};
  if (std::exchange(warned_of_full_state_, false))
    options_.warn("there is room on disk for the state again: publishing goes on");
  // Space comes back only now: before the store knew that a segment holds nothing, a crash would have brought
  // back rows that point into it.
  for (const journal::generation segment : journal_.segments()) {
    if (segment >= stored.meta.replay_from.segment) break;
    const auto live = std::lower_bound(stored.live_bytes.begin(), stored.live_bytes.end(), segment,
                                       [](const auto& row, journal::generation s) { return row.first < s; });
    if (live != stored.live_bytes.end() && live->first == segment && live->second > 0) continue;
    journal_.release(segment);
    tables_.segments.erase(segment);
  }
  release_held();
  if (flusher_.due()) flusher_.start();
  if (!tables_.garbage.empty()) collect_garbage();
  finish_stop_if_idle();
}

void shard::impl::on_flush_failed(const skald::failure& why) {
  if (why.code != errc::storage_full) {
    broken_ = true;
    return fatal_(why.message);
  }
  // It is tried again every second, which the operator need not hear.
  if (!std::exchange(warned_of_full_state_, true))
    options_.warn(why.message + "; publishing is refused until there is room");
  for (const proposal& held : std::exchange(held_, {})) {
    held_bytes_ -= held.bytes();
    for (const proposer& who : held.proposers) {
      effect refused;
      refused.why = {errc::storage_full, why.message};
      complete(who, std::move(refused));
    }
  }
  finish_stop_if_idle();
}

// Whether a flush would let a segment be reused.
bool shard::impl::segments_to_win() const {
  for (const journal::generation segment : journal_.segments()) {
    if (segment >= tables_.meta.replay_from.segment) break;
    const state::segment_row* row = tables_.segments.find(segment);
    if (row == nullptr || row->live_bytes == 0) return true;
  }
  return false;
}

// ---- garbage ----

void shard::impl::collect_garbage() {
  if (std::exchange(collecting_, true)) return;
  post([](impl& self) {
    self.collecting_ = false;
    if (self.broken_ || self.flusher_.overrun()) return;  // on_flushed() goes on with it
    try {
      if (self.machine_.collect_garbage(garbage_rows_per_step)) {
        if (self.flusher_.due()) self.flusher_.start();
        return self.collect_garbage();
      }
    } catch (const std::exception& why) {
      return self.broken(why);
    }
    if (self.segments_to_win()) self.flusher_.start();
  });
}

// ---- retention ----

void shard::impl::retention_step() {
  const timestamp now = clock_.now();
  const state::topic_row* topic = nullptr;
  topic_id topic_of;
  std::size_t looked_at = 0;
  for (auto at = tables_.partitions.lower_bound(retention_next_); at != tables_.partitions.end(); ++at) {
    const auto [key, row] = *at;
    if (looked_at++ >= partitions_per_step) {
      retention_next_ = key;
      return post([](impl& self) {
        try {
          self.retention_step();
        } catch (const std::exception& why) {
          self.broken(why);
        }
      });
    }
    if (topic == nullptr || topic_of != key.topic) topic = tables_.topics.find(topic_of = key.topic);
    auto start = retention_start(tables_, key, topic->settings, now);
    if (row.may_expire) {
      std::size_t expired = 0;
      const offset from = start.value_or(row.log_start);
      const offset end = expired_until(tables_, key, from, now, expired_per_partition, expired);
      if (end > from) start = end;
      retention_cut_ |= expired == expired_per_partition;
      looked_at += expired / expired_per_looked_at;
    }
    if (!start) continue;
    const failure refused = propose(trim_command{key, *start}, journal::urgency::frees_space,
                                    [this](const effect&) { trimmed(); });
    if (refused) break;  // the next round tries again
    ++trims_proposed_;
  }
  retention_next_ = {};
}

void shard::impl::trimmed() {
  const bool all = --trims_proposed_ == 0 && retention_next_ == state::partition_key();
  if (!all || stopping_ || broken_ || !std::exchange(retention_cut_, false)) return;
  // More expires at once than a round looks at: the next does not wait for its time.
  post([](impl& self) {
    try {
      self.retention_step();
    } catch (const std::exception& why) {
      self.broken(why);
    }
  });
}

// ---- producers ----

void shard::impl::expire_step() {
  const timestamp cutoff = clock_.now() - options_.producer_expiry;
  state::producer_key last;
  std::size_t seen = 0;
  bool any_idle = false;
  tables_.producers.scan(expire_next_, [&](const state::producer_key& key, const state::producer_row& row) {
    last = key;
    any_idle |= row.last_seen < cutoff;
    return ++seen < producers_per_step;
  });
  if (any_idle) {
    const command expire = expire_producers_command{cutoff, expire_next_, last};
    if (propose(expire, journal::urgency::frees_space, {})) return;
  }
  const bool more = seen == producers_per_step;
  expire_next_ =
      more ? state::producer_key{last.on, producer_id(last.producer.value() + 1)} : state::producer_key{};
  const bool more_committers = expire_committers_step(cutoff);
  expiring_ = expire_names_step(cutoff) || more_committers || more;
}

// Says whether there are more to look at.
bool shard::impl::expire_committers_step(timestamp cutoff) {
  producer_id last;
  std::size_t seen = 0;
  bool any_idle = false;
  tables_.committers.scan(expire_committers_next_,
                          [&](const producer_id& key, const state::committer_row& row) {
                            last = key;
                            any_idle |= row.last_seen < cutoff;
                            return ++seen < committers_per_step;
                          });
  if (any_idle) {
    const command expire = expire_committers_command{cutoff, expire_committers_next_, last};
    if (propose(expire, journal::urgency::frees_space, {})) return true;
  }
  const bool more = seen == committers_per_step;
  expire_committers_next_ = more ? producer_id(last.value() + 1) : producer_id();
  return more;
}

// Likewise.
bool shard::impl::expire_names_step(timestamp cutoff) {
  producer_id last;
  std::size_t seen = 0;
  bool any_idle = false;
  for (auto at = tables_.named_producers.lower_bound(expire_names_next_);
       at != tables_.named_producers.end() && seen < producers_per_step; ++at, ++seen) {
    const auto [id, row] = *at;
    last = id;
    any_idle |= row.last_seen < cutoff;
  }
  if (any_idle) {
    const command expire = expire_named_producers_command{cutoff, expire_names_next_, last};
    if (propose(expire, journal::urgency::frees_space, {})) return true;
  }
  const bool more = seen == producers_per_step;
  expire_names_next_ = more ? producer_id(last.value() + 1) : producer_id();
  return more;
}

// ---- compaction ----

// Goes round the compacted topics, a step at a time. A round begins with a tick, at most, and not while
// relocation moves batches about: what is found at another place than it was in is left alone.
void shard::impl::compact_step() {
  if (compactor_->busy() || relocator_->busy() || flusher_.overrun()) return;
  if (compactor_->step(clock_.now(), machine_.index().superseded())) compact_later();
}

void shard::impl::compact_later() {
  if (std::exchange(compact_coming_, true)) return;
  post([](impl& self) {
    self.compact_coming_ = false;
    if (self.broken_ || self.stopping_ || !self.compactor_->in_round()) return;
    try {
      self.compact_step();
    } catch (const std::exception& why) {
      self.broken(why);
    }
  });
}

// Looks at some keys of one partition.
void shard::impl::expire_tombstones_step() {
  state::text_key from = tombstones_next_;
  std::size_t looked_at = 0;
  for (auto at = tables_.partitions.lower_bound(from.of); at != tables_.partitions.end(); ++at) {
    const auto [of, row] = *at;
    if (looked_at++ == partitions_per_step) {
      tombstones_next_ = {of, {}};
      return;
    }
    const topic_settings& with = tables_.topics.find(of.topic)->settings;
    if (with.cleanup != topic_cleanup::compact) continue;
    if (of != from.of) from = {of, {}};
    expire_tombstones_command expire{
        of, clock_.now() - std::chrono::milliseconds(with.keep_tombstones_ms), {}};
    std::size_t seen = 0;
    tombstones_next_ = {{of.topic, partition_id(of.partition.value() + 1)}, {}};
    tables_.keys.scan(from, [&](const state::text_key& key, const state::key_row& newest) {
      if (key.of != of) return false;
      if (seen++ == tombstone_keys_per_step) {
        tombstones_next_ = key;
        return false;
      }
      if (newest.tombstone && machine_.index().tombstone_before(key, expire.cutoff) &&
          !machine_.index().has_older(key, newest))
        expire.keys.push_back(key.text);
      return true;
    });
    // Without room for it, the next round tries again.
    if (!expire.keys.empty()) static_cast<void>(propose(expire, journal::urgency::frees_space, {}));
    return;
  }
  tombstones_next_ = {};
}

// ---- relocation ----

void shard::impl::relocate_if_worthwhile() {
  // While there is garbage, live bytes are not what they seem.
  if (relocator_->busy() || compactor_->in_round() || flusher_.busy() || !tables_.garbage.empty()) return;
  const std::vector<journal::generation> segments = journal_.segments();
  std::uint64_t live_bytes = 0;
  std::vector<segment_use> candidates;
  for (const auto& [segment, row] : tables_.segments) {
    live_bytes += row.live_bytes;
    if (segment < tables_.meta.replay_from.segment && !relocator_->damaged(segment))
      candidates.push_back({segment, row.live_bytes});
  }
  const auto chosen =
      choose_relocation(candidates, segments.size(), options_.journal.segment_bytes, live_bytes);
  if (chosen) relocator_->start(*chosen);
}

}  // namespace skald::shard
