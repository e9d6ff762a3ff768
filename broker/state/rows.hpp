// The rows of a shard's tables: what their keys and values are, what they mean, and how they are encoded.
//
// Encoding: the fields in the order declared, numbers big-endian, texts behind a u32 length; in keys of rows,
// a text is escaped (00 as 00 FF) and ends with 00 00, so that bytes order as texts do. `schema_version` is
// the first field of meta and counts changes of any of this.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/journal/journal.hpp"
#include "broker/state/topic_settings.hpp"
#include "skald/protocol/record_batch.hpp"
#include "skald/protocol/types.hpp"

namespace skald::state {

inline constexpr std::uint32_t schema_version = 4;
// The oldest that can be read: nothing but tables was added since. What is written says schema_version.
inline constexpr std::uint32_t schema_version_oldest = 3;

// The time of what has no end.
inline constexpr timestamp never = timestamp::max();
// The offset of a record that waits for its time.
inline constexpr offset not_yet{std::numeric_limits<std::uint64_t>::max()};

// Producers with a name have ids from here on, those without one below: whether a batch's producer can have
// been fenced is seen by its id.
inline constexpr producer_id first_named_producer{1ull << 48};

inline constexpr std::size_t timer_name_bytes_max = 240;  // of owner and name together

// ---- keys ----------------------------------------------------------------------------------------------

struct partition_key {
  topic_id topic;
  partition_id partition;
  friend auto operator<=>(const partition_key&, const partition_key&) = default;
};

struct batch_key {
  partition_key of;
  offset base;
  friend auto operator<=>(const batch_key&, const batch_key&) = default;
};

struct place_key {
  journal::generation segment;
  std::uint32_t position = 0;
  friend auto operator<=>(const place_key&, const place_key&) = default;
};

struct producer_key {
  partition_key on;
  producer_id producer;
  friend auto operator<=>(const producer_key&, const producer_key&) = default;
};

// A text of a partition: a record's key, or a message id.
struct text_key {
  partition_key of;
  std::string text;
  friend auto operator<=>(const text_key&, const text_key&) = default;
};

// A record by its key and its place among those of that key: 1, 2, 3, ...
struct key_record_key {
  text_key of;
  std::uint64_t version = 0;
  friend auto operator<=>(const key_record_key&, const key_record_key&) = default;
};

struct commit_key {
  producer_id producer;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const commit_key&, const commit_key&) = default;
};

struct group_position_key {
  std::string group;
  partition_key of;
  friend auto operator<=>(const group_position_key&, const group_position_key&) = default;
};
// A record that waits for its time, in the order in which they come due. Times are not before the epoch.
struct timer_key {
  timestamp due;
  std::uint64_t id = 0;
  friend auto operator<=>(const timer_key&, const timer_key&) = default;
};

struct timer_name_key {
  std::string owner;
  std::string name;
  friend auto operator<=>(const timer_name_key&, const timer_name_key&) = default;
};

// ---- values --------------------------------------------------------------------------------------------

struct meta_row {
  std::uint32_t schema = schema_version;
  journal::replay_point replay_from;  // all before it is reflected
  journal::log_index applied;
  topic_id next_topic{1};
  producer_id next_producer{1};
  std::uint64_t next_timer = 1;
};

struct topic_row {
  std::string name;
  timestamp created;
  topic_settings settings;
  bool compacted = false;  // it has been set to compact at some time: records may be missing
  friend bool operator==(const topic_row&, const topic_row&) = default;
};

struct partition_row {
  offset log_start;                  // a batch's base offset, or the end
  offset end;                        // of the next record
  std::uint64_t bytes_appended = 0;  // ever
  std::uint64_t bytes = 0;           // of the batches from log_start on
  timestamp newest_record;           // of all records ever
  timestamp newest_age;              // of all batches ever; see batch_row::age_from
  std::uint64_t waiting = 0;         // records that are to be appended when they come due
  std::uint64_t waiting_bytes = 0;   // of their batches
  bool may_expire = false;           // batches that expire have been appended since it was last empty
  friend bool operator==(const partition_row&, const partition_row&) = default;
};

// What other tables know of a batch's records, so that they can forget them together with the batch.
struct batch_labels {
  struct keyed {
    std::string key;
    std::uint64_t version = 0;
    std::uint32_t delta = 0;  // its offset less the batch's; rising, with gaps after compaction
    friend bool operator==(const keyed&, const keyed&) = default;
  };
  std::string message_id;   // empty: none; else the batch has one record
  std::vector<keyed> keys;  // of each record that is stored, in topics with an index of keys
  friend bool operator==(const batch_labels&, const batch_labels&) = default;
};

// Rows of a partition follow one another without gaps. Of a batch that compaction has left nothing of, the
// offsets belong to the row before it; the first row of a partition stays, without a place.
struct batch_row {
  journal::place at;          // no bytes: there is nothing
  std::uint32_t records = 0;  // offsets it stands for; compaction may have left fewer records
  std::uint32_t leader_epoch = 0;
  timestamp newest_record;         // in this batch
  timestamp newest_record_so_far;  // in this batch and those before it: it never falls, so it can be searched
  // Retention by age counts from a batch's newest record, but never from later than it was appended: a
  // producer whose clock runs ahead cannot keep its partition from being trimmed. It never falls, either.
  timestamp age_from;
  std::uint64_t bytes_before = 0;                // of all batches of the partition before this one
  timestamp expires = never;                     // from then on nobody is to be given it
  std::shared_ptr<const batch_labels> labels{};  // null for most
  friend bool operator==(const batch_row& a, const batch_row& b);
};

// The last batches of a producer on one partition, oldest first. `next_sequence` is what it has to send next.
struct producer_row {
  struct sent {
    std::int32_t base_sequence = 0;
    std::uint32_t records = 0;
    offset base_offset;
    friend bool operator==(const sent&, const sent&) = default;
  };
  static constexpr std::size_t remembered_max = protocol::remembered_batches;

  producer_epoch epoch;
  std::int32_t next_sequence = 0;
  timestamp last_seen;
  std::vector<sent> batches;
  friend bool operator==(const producer_row&, const producer_row&) = default;
};

// The newest record of a key. The row counts for nothing once that record is before the partition's
// log_start: the key is at version 0 then, whether the row has been cleared away or not.
struct key_row {
  std::uint64_t version = 0;  // records with this key so far
  offset latest;
  bool tombstone = false;
  friend bool operator==(const key_row&, const key_row&) = default;
};

// Where a record lies that is known by its key and version, or by its message id. Like key_row, it counts
// only while that offset is not before the log_start.
struct offset_row {
  offset at;
  friend bool operator==(const offset_row&, const offset_row&) = default;
};

// What came of a commit, for when it is sent again.
struct commit_row {
  struct appended {
    partition_key to;
    offset base;
    std::uint64_t version = 0;
    bool duplicate = false;
    friend bool operator==(const appended&, const appended&) = default;
  };
  static constexpr std::uint64_t remembered_max = 1024;  // of one producer
  producer_epoch epoch;
  std::vector<appended> appends;
  friend bool operator==(const commit_row&, const commit_row&) = default;
};

// Who commits under an identity, so that a commit sent again is known: the last remembered_max of its
// commits.
struct committer_row {
  producer_epoch epoch;
  std::uint64_t newest = 0;  // sequence
  timestamp last_seen;
  friend bool operator==(const committer_row&, const committer_row&) = default;
};

struct producer_identity {
  producer_id id;
  producer_epoch epoch;
  friend auto operator<=>(const producer_identity&, const producer_identity&) = default;
};

// The newest holder of a name, by its id. Who publishes or commits under an id of a named producer that has
// no row, or another epoch, is fenced.
struct named_producer_row {
  std::string name;
  producer_epoch epoch;
  timestamp last_seen;  // to the minute, so that a batch seldom changes it
  // What its holder had before, and gave up for this; id 0 (nobody's) if it was taken over, or is new.
  producer_identity renews;
  friend bool operator==(const named_producer_row&, const named_producer_row&) = default;
};

struct segment_row {
  std::uint64_t live_bytes = 0;
  friend bool operator==(const segment_row&, const segment_row&) = default;
};

// A record that waits for its time: a batch of one record, which lies where the journal put it, and what
// appending it takes. With a name, it can be moved, cancelled and replaced. It counts for nothing once its
// topic has been deleted.
struct timer_row {
  partition_key to;
  journal::place at;
  timestamp stamped;  // the record's own timestamp
  std::int64_t ttl_ms = unlimited;
  std::string owner;
  std::string name;        // empty: none
  std::string message_id;  // empty: none
  bool keyed = false;      // its topic has an index of keys
  bool tombstone = false;
  std::string key;
  friend bool operator==(const timer_row&, const timer_row&) = default;
};

// Where a timer of that name is.
struct timer_name_row {
  timer_key timer;
  friend bool operator==(const timer_name_row&, const timer_name_row&) = default;
};

// What lies at a place: a batch of a partition, or that of a record that waits for its time.
struct place_row {
  std::variant<batch_key, timer_key> what;
  friend bool operator==(const place_row&, const place_row&) = default;
};

// Rows of `batches` with base offsets in [from, to); of a deleted topic, all rows, also those of `producers`,
// and, in the row of its partition 0, all of the topic's `timers`.
struct garbage_row {
  offset from;
  offset to;
  bool topic_deleted = false;
  producer_id producers_from{};  // where clearing `producers` goes on
  std::uint64_t timers = 0;      // still there
  timer_key timers_from{};       // where clearing them goes on
  friend bool operator==(const garbage_row&, const garbage_row&) = default;
};

// Where a consumer group goes on in a partition. That of a deleted topic is garbage.
struct group_position_row {
  offset next;
  timestamp committed;
  friend bool operator==(const group_position_row&, const group_position_row&) = default;
};

// ---- encodings (rows.cpp) ----------------------------------------------------------------------------

void encode(const topic_id&, std::string&);
void encode(const producer_id&, std::string&);
void encode(const partition_key&, std::string&);
void encode(const batch_key&, std::string&);
void encode(const place_key&, std::string&);
void encode(const producer_key&, std::string&);
void encode(const journal::generation&, std::string&);
void encode(const text_key&, std::string&);
void encode(const key_record_key&, std::string&);
void encode(const commit_key&, std::string&);
void encode(const timer_key&, std::string&);
void encode(const timer_name_key&, std::string&);
void encode(const meta_row&, std::string&);
void encode(const topic_row&, std::string&);
void encode(const partition_row&, std::string&);
void encode(const batch_row&, std::string&);
void encode(const producer_row&, std::string&);
void encode(const segment_row&, std::string&);
void encode(const garbage_row&, std::string&);
void encode(const group_position_key&, std::string&);
void encode(const group_position_row&, std::string&);
void encode(const key_row&, std::string&);
void encode(const offset_row&, std::string&);
void encode(const commit_row&, std::string&);
void encode(const committer_row&, std::string&);
void encode(const named_producer_row&, std::string&);
void encode(const timer_row&, std::string&);
void encode(const timer_name_row&, std::string&);
void encode(const place_row&, std::string&);

// All throw skald::error (storage_corrupt) for bytes that no encode() wrote.
void decode(std::string_view, topic_id&);
void decode(std::string_view, producer_id&);
void decode(std::string_view, partition_key&);
void decode(std::string_view, batch_key&);
void decode(std::string_view, place_key&);
void decode(std::string_view, producer_key&);
void decode(std::string_view, journal::generation&);
void decode(std::string_view, text_key&);
void decode(std::string_view, key_record_key&);
void decode(std::string_view, commit_key&);
void decode(std::string_view, timer_key&);
void decode(std::string_view, timer_name_key&);
void decode(std::string_view, meta_row&);  // unsupported_version when it is of another schema
void decode(std::string_view, topic_row&);
void decode(std::string_view, partition_row&);
void decode(std::string_view, batch_row&);
void decode(std::string_view, producer_row&);
void decode(std::string_view, segment_row&);
void decode(std::string_view, garbage_row&);
void decode(std::string_view, group_position_key&);
void decode(std::string_view, group_position_row&);
void decode(std::string_view, key_row&);
void decode(std::string_view, offset_row&);
void decode(std::string_view, commit_row&);
void decode(std::string_view, committer_row&);
void decode(std::string_view, named_producer_row&);
void decode(std::string_view, timer_row&);
void decode(std::string_view, timer_name_row&);
void decode(std::string_view, place_row&);

}  // namespace skald::state
