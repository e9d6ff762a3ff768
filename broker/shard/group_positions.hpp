// Committed positions of consumer groups: a part of commands, and how it is checked and applied.
//
// Whoever puts positions into a command calls check_positions() when it is applied, and apply_positions()
// only if everything else in it is right, too.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "broker/shard/shard.hpp"
#include "broker/state/tables.hpp"
#include "skald/protocol/types.hpp"

namespace skald::shard {

// unknown_topic, unknown_partition, or offset_out_of_range for one past the end.
failure check_positions(const state::tables& in, const group_positions& of);
// The same of positions that stand for inputs of a commit: offset_out_of_range also for one that goes back,
// because then some of the input has been acknowledged before.
failure check_inputs(const state::tables& in, const group_positions& of);
void apply_positions(state::tables& to, const group_positions& of, timestamp now);
// Says whether the group had any. Those of deleted topics count for nothing, cleared away or not.
bool forget_group(state::tables& in, const std::string& group);

// Clears the positions of a deleted topic, in slices: they lie in order of group, so that all of the table
// has to be looked through once for each topic.
class position_sweep {
 public:
  // Looks at no more than `rows_max` rows, and says at how many it has; done() when it was the last.
  std::size_t step(state::tables& in, topic_id topic, std::size_t rows_max);
  bool done() const { return !from_; }

 private:
  topic_id topic_;
  std::optional<state::group_position_key> from_;  // where it goes on
};

}  // namespace skald::shard
