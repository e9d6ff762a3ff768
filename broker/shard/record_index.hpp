// What a partition knows its records by, besides their offsets: keys and their versions, and message ids.
//
// A key's version is how many records have had it: the first is version 1, and a key without a record is at
// version 0. Rows count only while the record they speak of is kept, so that what is found does not depend on
// when a node clears away what was trimmed; a key all of whose records are gone starts over at version 0. The
// message id of a record that waits for its time leads to state::not_yet, which is never trimmed.
//
// Deterministic, like the state machine that it is a part of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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
  // Clears away what is known of a batch that goes.
  void forget(const state::batch_key& batch, const state::batch_labels& labels);

 private:
  bool kept(const state::partition_key& of, offset at) const;

  state::tables& tables_;
};

}  // namespace skald::shard
