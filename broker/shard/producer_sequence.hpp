// What the sequence number of a producer's batch means, given what the partition remembers of the producer.
// The rules are in state_machine.hpp.
#pragma once

#include <cstdint>

#include "broker/shard/command.hpp"
#include "broker/state/rows.hpp"

namespace skald::shard {

struct sequence_verdict {
  enum class kind : std::uint8_t { next, duplicate, out_of_order, fenced } is = kind::next;
  offset original;  // of a duplicate
};

// `known` is null for a producer that the partition does not know.
sequence_verdict judge_sequence(const state::producer_row* known, const append_command& batch);

// Remembers a batch that was appended at `base_offset`.
void remember_batch(state::producer_row& producer, const append_command& batch, offset base_offset);

// Remembers a producer whose first batch was refused.
state::producer_row introduce(const append_command& refused);

}  // namespace skald::shard
