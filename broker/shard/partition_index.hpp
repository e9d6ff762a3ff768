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

// The batches from the one that holds `from` on, as many as fit bytes_max, but at least one. `from` lies in
// [log_start, end). There may be none where compaction has left nothing. `next`, unless null, is set to the
// offset up to which they are all there is.
std::vector<stored_batch> batches_from(const state::tables& in, const state::partition_key& of, offset from,
                                       std::uint64_t bytes_max, offset* next = nullptr);

// The first batch with a record at or after that time.
std::optional<indexed_batch> first_batch_at(const state::tables& in, const state::partition_key& of,
                                            timestamp at);

// Where the partition should begin according to its topic's retention; nothing when that is where it begins.
// By bytes, the oldest batches go until no more than retention_bytes are left, but never the newest batch. By
// age, every batch that is old enough goes, unless a younger one comes before it.
std::optional<offset> retention_start(const state::tables& in, const state::partition_key& of,
                                      const topic_settings& settings, timestamp now);

}  // namespace skald::shard
