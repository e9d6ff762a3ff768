// Commands: what the entries of a shard's journal say. schema/command.fbs is their format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "broker/shard/group_positions.hpp"
#include "broker/shard/queue_commands.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/rows.hpp"
#include "skald/protocol/types.hpp"

namespace skald::shard {

// How commands, and what is told of them, write a time.
inline std::int64_t ms(timestamp at) {
  return at.time_since_epoch().count();
}

struct create_topic_command {
  std::string name;
  topic_settings settings;
  bool if_absent = false;
  timestamp now;
  std::uint32_t partitions_max = 0;
};
struct alter_topic_command {
  topic_id topic;
  topic_changes changes;
  std::uint32_t partitions_max = 0;
};
struct delete_topic_command {
  topic_id topic;
};
// What an append may ask for beyond being stored. Conditions are those of the only record of its batch.
struct append_terms {
  struct record_key {
    std::string key;
    bool tombstone = false;
  };
  std::vector<record_key> keys;  // of each record, in a topic with an index of keys
  std::optional<std::uint64_t> expected_version{};
  std::string message_id;
  std::optional<timestamp> due{};  // the record waits until then
  std::string timer_owner{};
  std::string timer_name{};  // empty: the timer has no name
  std::int64_t ttl_ms = unlimited;
};
struct append_command {
  state::partition_key to;
  std::uint32_t records = 0;
  std::uint32_t batch_bytes = 0;
  std::uint32_t record_bytes_largest = 0;
  timestamp timestamp_max;
  timestamp now;
  std::optional<producer_id> producer;
  producer_epoch epoch;
  std::int32_t base_sequence = 0;
  std::shared_ptr<const append_terms> terms{};  // null: none
};
// Whether it only sets a timer. One whose time has come already is appended at once.
inline bool waits(const append_command& append) {
  return append.terms != nullptr && append.terms->due && *append.terms->due > append.now;
}

struct timer_change {
  enum class kind : std::uint8_t { cancel, move };
  kind what = kind::cancel;
  state::timer_name_key of;
  timestamp due;           // of a move
  bool if_exists = false;  // a timer that is not there is no reason to refuse
};
// Several changes that take effect together or not at all.
struct commit_command {
  std::vector<append_command> appends;  // their batches follow one another; without producers of their own
  timestamp now;
  std::optional<producer_id> producer;
  producer_epoch epoch;
  std::uint64_t sequence = 0;
  std::vector<queue_range> settled{};  // records of queues, none of which is settled yet
  std::vector<timer_change> timers{};  // changed before anything is appended
  std::vector<group_positions> positions{};
};
struct init_producer_command {
  std::string name{};  // empty: none, and what follows means nothing
  timestamp now{};
  std::optional<state::producer_identity> renews{};  // see producer_request
  std::uint32_t names_max = 0;
};
struct trim_command {
  state::partition_key of;
  offset log_start;
};
struct expire_producers_command {
  timestamp cutoff;
  state::producer_key first;
  state::producer_key last;
};
struct expire_committers_command {
  timestamp cutoff;
  producer_id first;
  producer_id last;
};
// Names last used before `cutoff`.
struct expire_named_producers_command {
  timestamp cutoff;
  producer_id first;
  producer_id last;
};
struct commit_positions_command {
  group_positions positions;
  timestamp now;
};
struct delete_group_command {
  std::string group;
};
// Appends the records of timers that are due, in this order.
struct fire_command {
  std::vector<state::timer_key> timers;
  timestamp now;
};
struct relocated_command {
  state::place_row moved;
  std::uint32_t batch_bytes = 0;
  state::place_key from;
};

// This node wrote a batch anew with some of its records; none: it is let go of.
struct compacted_command {
  state::batch_key batch;
  std::uint32_t batch_bytes = 0;
  state::place_key from;
  std::vector<std::uint32_t> kept;  // offset deltas
  timestamp newest;                 // of the records kept
};
// Those of the keys whose newest record is a tombstone from before `cutoff`.
struct expire_tombstones_command {
  state::partition_key of;
  timestamp cutoff;
  std::vector<std::string> keys;
};

using command =
    std::variant<append_command, create_topic_command, alter_topic_command, delete_topic_command,
                 init_producer_command, trim_command, expire_producers_command, relocated_command,
                 commit_command, expire_committers_command, commit_positions_command, delete_group_command,
                 create_queue_command, alter_queue_command, delete_queue_command, settle_command,
                 unpark_queue_command, purge_queue_command, fire_command, compacted_command,
                 expire_tombstones_command, expire_named_producers_command>;

// Writes commands as the head of a journal entry. Reuses its buffer: have one per thread.
class command_encoder {
 public:
  command_encoder();
  ~command_encoder();
  std::vector<std::byte> encode(const command& what);

 private:
  struct builder;
  std::unique_ptr<builder> builder_;
};

struct decoded_command {
  command what;
  std::uint32_t head_bytes = 0;  // the batch, if any, begins there
};

// Reads a command from the front of an entry's payload, or from its head alone, and verifies it. Throws
// skald::error: storage_corrupt, or unsupported_version for a command that this program does not know.
decoded_command decode_command(std::span<const std::byte> payload);

}  // namespace skald::shard
