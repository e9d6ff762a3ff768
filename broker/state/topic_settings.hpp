// What an operator decides about a topic.
#pragma once

#include <cstdint>

namespace skald::state {

inline constexpr std::int64_t unlimited = -1;

// What a topic can be looked up by, besides offset and time.
enum class topic_index : std::uint8_t { none, key };

// What goes: the oldest batches, as retention says, or what a newer record with the same key supersedes.
enum class topic_cleanup : std::uint8_t { delete_old, compact };

// The longest key of a topic with an index of keys: a row of the state holds it twice over, escaped.
inline constexpr std::uint32_t indexed_key_bytes_max = 240;
inline constexpr std::uint32_t message_id_bytes_max = 240;

struct topic_settings {
  std::uint32_t partitions = 1;
  std::int64_t retention_bytes = unlimited;  // per partition: older batches go once it holds more
  std::int64_t retention_ms = unlimited;     // batches whose newest record is older go
  std::int64_t bytes_max = unlimited;        // per partition: topic_full beyond it
  std::uint32_t record_bytes_max = 1u << 20;
  std::uint32_t batch_bytes_max = 4u << 20;
  topic_index index = topic_index::none;  // fixed when the topic is created
  topic_cleanup cleanup =
      topic_cleanup::delete_old;      // compact: only with an index of keys, without the limits above
  std::int64_t compact_after_ms = 0;  // younger records stay, superseded or not
  std::int64_t keep_tombstones_ms = 24 * 3600 * 1000;  // then a tombstone goes, and its key starts over
  friend bool operator==(const topic_settings&, const topic_settings&) = default;
};

}  // namespace skald::state
