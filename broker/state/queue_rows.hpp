// The rows of queues: what a named way of reading one topic's records one by one has to remember.
//
// Per queue and partition there is a floor: all records before it are settled, and forgotten. Above it, what
// is known of records is kept in ranges, so that neither a run of acknowledged records nor a run of unread
// ones costs a row for each.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "skald/protocol/types.hpp"

namespace skald {

// Drawn from the numbers that topics get theirs from; never given twice.
using queue_id = strong_id<struct queue_id_tag, std::uint32_t>;

}  // namespace skald

namespace skald::state {

// What an operator decides about a queue. Durations are milliseconds.
struct queue_settings {
  std::uint32_t lease_ms = 30'000;        // until a consumer that says nothing loses what it was given
  std::uint32_t max_attempts = 10;        // a record not settled after so many goes to the dead-letter topic
  std::uint32_t backoff_min_ms = 1'000;   // before the second attempt; doubles with each
  std::uint32_t backoff_max_ms = 60'000;  // and goes no further
  bool ordered_by_key = false;            // records of a key wait while an earlier one is not settled
  std::string dead_letter{};              // the topic; empty: <topic>.<queue>.dead
  friend bool operator==(const queue_settings&, const queue_settings&) = default;
};

struct queue_row {
  std::string name;
  topic_id topic;
  timestamp created;
  queue_settings settings;
  friend bool operator==(const queue_row&, const queue_row&) = default;
};

struct queue_partition_key {
  queue_id queue;
  partition_id partition;
  friend auto operator<=>(const queue_partition_key&, const queue_partition_key&) = default;
};

// A partition without a row has floor 0 and nothing above it. A floor below the partition's log_start counts
// as log_start.
struct queue_partition_row {
  offset floor;
  std::uint64_t settled_above = 0;  // records settled at or above the floor
  std::uint64_t ranges_above = 0;   // rows of queue_records
  friend bool operator==(const queue_partition_row&, const queue_partition_row&) = default;
};

struct queue_record_key {
  queue_partition_key of;
  offset first;
  friend auto operator<=>(const queue_record_key&, const queue_record_key&) = default;
};

// The records from the key's offset up to `end`. Ranges of one partition do not overlap.
struct queue_record_row {
  offset end;
  bool settled = false;
  std::uint32_t attempts = 0;  // of records not settled; so is what follows
  timestamp parked_until;      // not to be given out before
  std::string reason;          // why the last attempt failed
  friend bool operator==(const queue_record_row&, const queue_record_row&) = default;
};

void encode(const queue_id&, std::string&);
void encode(const queue_partition_key&, std::string&);
void encode(const queue_record_key&, std::string&);
void encode(const queue_row&, std::string&);
void encode(const queue_partition_row&, std::string&);
void encode(const queue_record_row&, std::string&);

// All throw skald::error (storage_corrupt) for bytes that no encode() wrote.
void decode(std::string_view, queue_id&);
void decode(std::string_view, queue_partition_key&);
void decode(std::string_view, queue_record_key&);
void decode(std::string_view, queue_row&);
void decode(std::string_view, queue_partition_row&);
void decode(std::string_view, queue_record_row&);

}  // namespace skald::state
