// Compaction of topics with cleanup = compact: what a newer record with the same key supersedes goes.
//
// A batch none of whose records counts any more is let go of; one of which a quarter or more does not, or
// that holds what has been deleted, is written anew with the others, whose offsets stay. So a byte is
// rewritten a bounded number of times. Space then comes back as it does everywhere: by segments that hold
// nothing, and by relocation. All of this is a node's own affair, in local entries of its journal; which
// records are superseded follows from the table of keys, and that is what replicas agree on.
//
// What some queue of the topic has not settled stays as it is: a queue hands out every record.
//
// A tombstone's time is up only once nothing older of its key is stored here: a reader from the start never
// sees a value without the tombstone that deletes it.
//
// Threading: the shard's executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/base/buffer.hpp"
#include "broker/base/executor.hpp"
#include "broker/journal/journal.hpp"
#include "broker/shard/command.hpp"
#include "broker/shard/relocation.hpp"
#include "broker/shard/shard.hpp"
#include "broker/shard/state_machine.hpp"
#include "broker/state/tables.hpp"
#include "skald/protocol/result.hpp"

namespace skald::shard {

// Which records of a batch still count.
struct batch_use {
  std::size_t records = 0;
  std::vector<std::uint32_t> kept;  // offset deltas
  bool holds_deleted = false;       // superseded records whose key has been deleted
  bool worth_rewriting() const { return holds_deleted || (records - kept.size()) * 4 >= records; }
};
batch_use use_of(const state::tables& in, const record_index& index, const state::batch_key& batch,
                 const state::batch_row& row);

// The batch with these of its records only (at least one), at the same offsets. Fails when it is damaged.
skald::result<slice> without_others(std::span<const std::byte> stored, std::span<const std::uint32_t> kept);

class compactor {
 public:
  // `idle` is called when it is no longer busy.
  compactor(const state::tables& in, const state_machine& by, const journal::journal& from,
            background& worker, executor& runs_on, relocator::propose how, std::function<void()> idle,
            std::function<void(const std::string&)> warn);
  ~compactor();
  compactor(const compactor&) = delete;
  compactor& operator=(const compactor&) = delete;

  bool busy() const { return busy_; }
  bool in_round() const { return in_round_; }
  // Looks at some batches, from where the last step ended; true when there are more to look at in this round.
  // It must not be busy. A round begins when an eighth as many records have been superseded as the last one
  // looked at, or ten minutes after that one. `superseded` counts them, since the start.
  bool step(timestamp now, std::uint64_t superseded);

 private:
  struct item {
    state::batch_key batch;
    journal::place from;
    journal::segment_pin pin;  // null when nothing is kept
    std::vector<std::uint32_t> kept;
  };
  struct written {
    state::batch_key batch;
    journal::place from;
    std::vector<std::uint32_t> kept;
    skald::result<slice> bytes;
    timestamp newest;
  };

  bool round_is_due(timestamp now, std::uint64_t superseded) const;
  std::optional<state::partition_key> next_partition();
  // Collects what to rewrite; true when the partition has been gone through.
  bool look(const state::partition_key& of, timestamp younger_stay, std::vector<item>& rewrite);
  static written write(const item& what);
  void propose_all(std::vector<written> batches);
  void rest();

  // About a millisecond's work.
  static constexpr std::size_t step_records_max = 512;
  static constexpr std::uint64_t step_bytes_max = 4u << 20;

  const state::tables& tables_;
  const state_machine& machine_;
  const journal::journal& journal_;
  background& worker_;
  executor& runs_on_;
  relocator::propose propose_;
  std::function<void()> idle_;
  std::function<void(const std::string&)> warn_;
  command_encoder encoder_;
  std::set<state::batch_key> damaged_;
  state::batch_key next_;
  bool busy_ = false;
  bool in_round_ = false;
  std::uint64_t looked_at_ = 0;  // records, in this round or the last
  std::uint64_t superseded_before_ = 0;
  std::optional<timestamp> last_round_;
  std::shared_ptr<compactor*> self_ = std::make_shared<compactor*>(this);
};

}  // namespace skald::shard
