// What a partition knows its records by, besides their offsets: keys and their versions, and message ids.
//
// A key's version is how many records have had it: the first is version 1, and a key without a record is at
// version 0. Rows count only while the record they speak of is kept, so that what is found does not depend on
// when a node clears away what was trimmed; a key all of whose records are gone starts over at version 0. The
// message id of a record that waits for its time leads to state::not_yet, which is never trimmed.
//
// In a topic that is compacted a record counts for nothing once its key has a newer one. When that is cleared
// away is a node's own affair; a tombstone's key is forgotten by a command, since the versions of later
// records depend on it. A message id there is remembered while its record is the newest of its key, and for a
// day, by the times of what the partition was given, in any case.
//
// Deterministic, like the state machine that it is a part of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "broker/shard/command.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

class record_index {
 public:
  explicit record_index(state::tables& over) : tables_(over) {}

  // The newest record of a key; nothing when the key has no record.
  std::optional<state::key_row> find_key(const state::text_key& key) const;
  // The record of a key with that version; nothing when it is not (or no longer) there.
  std::optional<offset> find_version(const state::text_key& key, std::uint64_t version) const;
  std::optional<offset> find_message(const state::text_key& id) const;

  // Makes the records of an append known, the first of which gets `base`. Returns what is to be remembered
  // beside the batch; null when nothing is.
  std::shared_ptr<const state::batch_labels> add(const append_command& batch, offset base);
  // How many records have been superseded, and tombstones forgotten, since this was made.
  std::uint64_t superseded() const { return superseded_; }
  // Whether older records of a key are still known, that is stored.
  bool has_older(const state::text_key& key, const state::key_row& newest) const;
  // The tombstone that is the newest record of a key, if it is one from before `cutoff`.
  std::optional<state::key_row> tombstone_before(const state::text_key& key, timestamp cutoff) const;
  void forget_key(const state::text_key& key, const state::key_row& newest);
  // Whether the record of that message id, the only one of its batch, is to be kept for the sake of the id.
  bool needs_message(const state::batch_key& batch, const state::batch_row& row) const;

  // Clears away what is known of a batch that goes.
  void forget(const state::batch_key& batch, const state::batch_labels& labels);
  // The same for those of its records that compaction leaves out. Returns what is known of the others.
  std::shared_ptr<const state::batch_labels> keep(const state::batch_key& batch,
                                                  const state::batch_labels& labels,
                                                  std::span<const std::uint32_t> deltas);

 private:
  void forget_record(const state::batch_key& batch, const state::batch_labels::keyed& record);
  bool kept(const state::partition_key& of, offset at) const;
  bool is_newest(const state::batch_key& batch, const state::batch_labels::keyed& record) const;

  state::tables& tables_;
  std::uint64_t superseded_ = 0;
};

}  // namespace skald::shard
