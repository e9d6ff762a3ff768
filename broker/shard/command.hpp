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

#include "broker/shard/shard.hpp"
#include "broker/state/rows.hpp"
#include "skald/protocol/types.hpp"

namespace skald::shard {

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
// Several changes that take effect together or not at all.
struct commit_command {
  std::vector<append_command> appends;  // their batches follow one another; without producers of their own
  timestamp now;
  std::optional<producer_id> producer;
  producer_epoch epoch;
  std::uint64_t sequence = 0;
};
struct init_producer_command {};
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
struct relocated_command {
  state::batch_key batch;
  std::uint32_t batch_bytes = 0;
  state::place_key from;
};

struct compacted_command {
  state::batch_key batch;
  std::uint32_t batch_bytes = 0;
  state::place_key from;
  std::vector<std::uint32_t> kept;  // offset deltas
};
struct expire_tombstones_command {
  state::partition_key of;
  timestamp cutoff;
  std::vector<std::string> keys;
};

using command =
    std::variant<append_command, create_topic_command, alter_topic_command, delete_topic_command,
                 init_producer_command, trim_command, expire_producers_command, relocated_command,
                 commit_command, expire_committers_command, compacted_command, expire_tombstones_command>;

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
