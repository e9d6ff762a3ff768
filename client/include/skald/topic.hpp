// Topics and the broker, as administration sees them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <skald/protocol/types.hpp>

namespace skald {

// For the limits below.
inline constexpr std::int64_t unlimited = -1;

// What records can be looked up by, besides offset and time. With `key`, every record has a key of at most
// 240 bytes, whose records can be read and counted; see read_key() and commit::appended::expect_version().
enum class topic_index : std::uint8_t { none, key };

// What becomes of old records. With `compact`, which takes topic_index::key and no limit on age or size, the
// newest record of each key stays and older ones go; a record without a value is a tombstone, which deletes
// its key and goes itself after a while. Readers find gaps between offsets.
enum class topic_cleanup : std::uint8_t { delete_old, compact };

// Settings of a topic. Absent ones keep their default (create) or their present value (alter). What the
// broker reports has all of them.
struct topic_settings {
  std::optional<std::uint32_t> partitions = {};        // can grow, never shrink
  std::optional<std::int64_t> retention_bytes = {};    // per partition; older batches go once it holds more
  std::optional<std::int64_t> retention_ms = {};       // batches whose newest record is older go
  std::optional<std::int64_t> bytes_max = {};          // per partition; publishes beyond it get topic_full
  std::optional<std::uint32_t> record_bytes_max = {};  // the largest record (key, value and headers) accepted
  std::optional<std::uint32_t> batch_bytes_max = {};   // the largest batch accepted
  std::optional<topic_index> index = {};               // fixed when the topic is created
  std::optional<topic_cleanup> cleanup = {};
  std::optional<std::int64_t> compact_after_ms = {};  // younger records stay, superseded or not
  std::optional<std::int64_t> keep_tombstones_ms =
      {};  // longer than the slowest reader takes; a day unless set
};

struct partition_info {
  partition_id partition;
  offset log_start;  // the oldest record kept
  offset end;        // the offset that the next record gets
  std::uint64_t bytes = 0;
};

struct topic_info {
  std::string name;
  topic_id id;
  timestamp created;
  topic_settings settings;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::vector<partition_info> partitions;  // only describe_topic() fills it
};

struct partition_offset {
  partition_id partition;
  skald::offset offset;
};

struct broker_status {
  std::string broker_version;
  std::string broker_id;
  std::chrono::milliseconds uptime{0};
  timestamp now;  // the broker's clock
  std::uint32_t connections = 0;
  std::uint32_t subscriptions = 0;
  std::uint32_t topics = 0;
  std::uint32_t partitions = 0;
  std::uint64_t records_in = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_budget_bytes = 0;
  std::uint32_t journal_segments = 0;
  std::uint64_t journal_bytes = 0;
  std::uint64_t journal_live_bytes = 0;
  std::uint64_t journal_syncs = 0;
  std::uint64_t disk_free_bytes = 0;
  bool storage_full = false;
  std::uint64_t replay_bytes = 0;  // what a restart would have to replay
};

}  // namespace skald
