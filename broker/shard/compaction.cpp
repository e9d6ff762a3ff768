#include "broker/shard/compaction.hpp"

#include <algorithm>
#include <utility>

#include "skald/protocol/batch_builder.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::shard {

batch_use use_of(const state::tables& in, const record_index& index, const state::batch_key& batch,
                 const state::batch_row& row) {
  batch_use use;
  use.records = row.labels->keys.size();
  const bool needed = index.needs_message(batch, row);
  for (const state::batch_labels::keyed& record : row.labels->keys) {
    const auto newest = in.keys.get({batch.of, record.key});
    if (needed || (newest && newest->latest == batch.base + record.delta)) {
      use.kept.push_back(record.delta);
    } else {
      use.holds_deleted = use.holds_deleted || !newest || newest->tombstone;
    }
  }
  return use;
}

skald::result<slice> without_others(std::span<const std::byte> stored, std::span<const std::uint32_t> kept) {
  const auto batch = protocol::batch_view::parse(stored);
  if (!batch) return batch.error();
  protocol::batch_limits limits;
  limits.batch_bytes_max = std::max(limits.batch_bytes_max, stored.size());
  limits.offset_gaps = true;
  protocol::batch_decoder decoder;
  const auto records = decoder.check(*batch, limits);
  if (!records) return records.error();

  protocol::batch_builder builder(stored.size());
  const auto end = records->end();
  auto wanted = kept.begin();
  for (auto at = records->begin(); at != end && wanted != kept.end(); ++at) {
    const auto delta = static_cast<std::uint32_t>(at->offset - batch->base_offset());
    if (delta != *wanted) continue;
    if (const errc added = builder.append_encoded(at.content(), at->timestamp, delta); added != errc::ok)
      return skald::failure{added, "a record cannot be encoded anew"};
    ++wanted;
  }
  if (wanted != kept.end())
    return skald::failure{errc::corrupt_batch, "it lacks records that it should have"};
  return slice::copy_of(
      builder.finish({.compression = static_cast<compression>(batch->compression_code()),
                      .last_offset_delta = static_cast<std::uint32_t>(batch->last_offset_delta())}));
}

compactor::compactor(const state::tables& in, const state_machine& by, const journal::journal& from,
                     background& worker, executor& runs_on, relocator::propose how,
                     std::function<void()> idle, std::function<void(const std::string&)> warn)
    : tables_(in),
      machine_(by),
      journal_(from),
      worker_(worker),
      runs_on_(runs_on),
      propose_(std::move(how)),
      idle_(std::move(idle)),
      warn_(std::move(warn)) {}

compactor::~compactor() {
  *self_ = nullptr;
}

// The partition that `next_` is in, or the first after it, that is to be compacted.
std::optional<state::partition_key> compactor::next_partition() {
  for (auto at = tables_.partitions.lower_bound(next_.of); at != tables_.partitions.end(); ++at) {
    const auto [of, row] = *at;
    const state::topic_row* topic = tables_.topics.find(of.topic);
    if (topic == nullptr || topic->settings.cleanup != state::topic_cleanup::compact) continue;
    if (of != next_.of) next_ = {of, offset(0)};
    return of;
  }
  return std::nullopt;
}

bool compactor::round_is_due(timestamp now, std::uint64_t superseded) const {
  constexpr std::chrono::minutes interval{10};
  // A clock that is set back must not keep the next round waiting.
  if (!last_round_ || now < *last_round_ || now - *last_round_ >= interval) return true;
  return superseded - superseded_before_ >= std::max<std::uint64_t>(looked_at_ / 8, 1);
}

bool compactor::step(timestamp now, std::uint64_t superseded) {
  if (!in_round_) {
    if (!round_is_due(now, superseded)) return false;
    in_round_ = true;
    looked_at_ = 0;
    superseded_before_ = superseded;
    last_round_ = now;
    next_ = {};
  }
  const auto of = next_partition();
  if (!of) return in_round_ = false;
  const auto lag = std::chrono::milliseconds(tables_.topics.find(of->topic)->settings.compact_after_ms);
  std::vector<item> rewrite;
  if (look(*of, now - lag, rewrite))
    next_ = {{of->topic, partition_id(of->partition.value() + 1)}, offset(0)};
  if (rewrite.empty()) return true;
  busy_ = true;
  worker_.post([self = self_, rewrite = std::move(rewrite), &runs_on = runs_on_] {
    std::vector<written> batches;
    batches.reserve(rewrite.size());
    for (const item& what : rewrite) batches.push_back(write(what));
    runs_on.post([self, batches = std::move(batches)]() mutable {
      if (*self != nullptr) (*self)->propose_all(std::move(batches));
    });
  });
  return true;
}

bool compactor::look(const state::partition_key& of, timestamp younger_stay, std::vector<item>& rewrite) {
  std::size_t records = 0;
  std::uint64_t bytes = 0;
  bool stopped = false;
  const offset unsettled = machine_.queues().unsettled_from(of);
  next_.base = std::max(next_.base, tables_.partitions.find(of)->log_start);
  tables_.batches.scan(next_, [&](const state::batch_key& key, const state::batch_row& row) {
    // Ages rise from batch to batch.
    if (key.of != of || row.age_from >= younger_stay || key.base + row.records > unsettled) return false;
    if (records >= step_records_max || bytes >= step_bytes_max) {
      stopped = true;
      next_ = key;
      return false;
    }
    if (row.labels == nullptr || damaged_.contains(key)) return true;
    batch_use use = use_of(tables_, machine_.index(), key, row);
    records += use.records;
    looked_at_ += use.records;
    if (use.kept.empty()) {
      rewrite.push_back({key, row.at, nullptr, {}});
    } else if (use.worth_rewriting()) {
      bytes += row.at.bytes;
      rewrite.push_back({key, row.at, journal_.pin(row.at.segment), std::move(use.kept)});
    }
    return true;
  });
  return !stopped;
}

compactor::written compactor::write(const item& what) {
  written done{what.batch, what.from, what.kept, slice(), {}};
  if (what.kept.empty()) return done;
  if (what.pin == nullptr) {
    done.bytes = skald::failure{errc::storage_error, "its segment is gone"};
    return done;
  }
  std::vector<std::byte> stored(what.from.bytes);
  const iovec into{stored.data(), stored.size()};
  if (const auto failed = journal::read(*what.pin, what.from.position, {&into, 1}, file::blocking::allowed)) {
    done.bytes = skald::failure{errc::storage_error, failed.message()};
  } else {
    done.bytes = without_others(stored, what.kept);
    if (done.bytes) done.newest = protocol::batch_view::parse(done.bytes->bytes())->max_timestamp();
  }
  return done;
}

void compactor::propose_all(std::vector<written> batches) {
  std::vector<journal::new_entry> entries;
  for (written& one : batches) {
    if (!one.bytes) {
      damaged_.insert(one.batch);
      warn_("the batch at offset " + std::to_string(one.batch.base.value()) + " of partition " +
            std::to_string(one.batch.of.partition.value()) + " of the topic with the id " +
            std::to_string(one.batch.of.topic.value()) +
            " cannot be compacted: " + one.bytes.error().message + "; it is kept as it is");
      continue;
    }
    const command compacted = compacted_command{one.batch,
                                                static_cast<std::uint32_t>(one.bytes->size()),
                                                {one.from.segment, one.from.position},
                                                std::move(one.kept),
                                                one.newest};
    entries.push_back({.kind = journal::entry_kind::local,
                       .head = encoder_.encode(compacted),
                       .body = *std::move(one.bytes)});
  }
  if (entries.empty()) return rest();
  const bool proposed = propose_(std::move(entries), [self = self_] {
    if (*self != nullptr) (*self)->rest();
  });
  if (proposed) return;
  // For want of room: this round ends, so that relocation may make some, and another begins soon.
  busy_ = in_round_ = false;
  last_round_.reset();
}

void compactor::rest() {
  busy_ = false;
  idle_();
}

}  // namespace skald::shard
