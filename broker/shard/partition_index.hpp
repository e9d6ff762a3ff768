// Questions to the index of a partition's batches. All take a few lookups, however long the partition is.
//
// They throw skald::error (storage_corrupt) when the index contradicts itself.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "broker/shard/shard.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

using indexed_batch = std::pair<offset, state::batch_row>;

// The first batch for which `holds` is true; for a property that, once true, stays true for later batches.
std::optional<indexed_batch> first_batch_where(const state::tables& in, const state::partition_key& of,
                                               const std::function<bool(const state::batch_row&)>& holds);

// The batches from the one that holds `from` on, as many as fit bytes_max, but at least one; without those
// that have expired, and those that compaction has left nothing of. `from` lies in [log_start, end). `next`
// is where to go on: a long run of batches that are not given is passed over in several calls, and there may
// be no batch in one of them.
std::vector<stored_batch> batches_from(const state::tables& in, const state::partition_key& of, offset from,
                                       std::uint64_t bytes_max, timestamp now, offset& next);

// The batch that holds `at`, which lies in [log_start, end).
indexed_batch batch_holding(const state::tables& in, const state::partition_key& of, offset at);

// The first batch with a record at or after that time.
std::optional<indexed_batch> first_batch_at(const state::tables& in, const state::partition_key& of,
                                            timestamp at);

// Where the partition should begin according to its topic's retention; nothing when that is where it begins.
// By bytes, the oldest batches go until no more than retention_bytes are left, but never the newest batch. By
// age, every batch that is old enough goes, unless a younger one comes before it.
std::optional<offset> retention_start(const state::tables& in, const state::partition_key& of,
                                      const topic_settings& settings, timestamp now);

// The end of the run of expired batches that begins with the one at `from`; it looks at `batches_max` of them
// at most, and counts them in `looked_at`.
offset expired_until(const state::tables& in, const state::partition_key& of, offset from, timestamp now,
                     std::size_t batches_max, std::size_t& looked_at);

}  // namespace skald::shard
