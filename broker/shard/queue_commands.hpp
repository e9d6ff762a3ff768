// The commands of queues. A part of command.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/state/queue_rows.hpp"
#include "broker/state/rows.hpp"

namespace skald::shard {

using state::queue_settings;

struct create_queue_command {
  topic_id topic;
  std::string name;
  queue_settings settings;
  bool if_absent = false;
  bool from_end = false;  // only records appended from now on; else all there are
  timestamp now;
  std::uint32_t queues_max = 0;
};
struct alter_queue_command {
  queue_id queue;
  queue_settings settings;  // all of them
};
struct delete_queue_command {
  queue_id queue;
};

struct queue_range {
  queue_id queue;
  partition_id partition;
  offset first;
  offset end;
  friend bool operator==(const queue_range&, const queue_range&) = default;
};
struct retried_range {
  queue_range of;
  std::uint32_t attempts = 0;
  timestamp parked_until;
  std::string reason;
  friend bool operator==(const retried_range&, const retried_range&) = default;
};
// Each range by itself: those of queues that are gone are passed over.
struct settle_command {
  std::vector<queue_range> settled;
  std::vector<retried_range> retried;
};
// Makes everything that is parked due at `now`.
struct unpark_queue_command {
  queue_id queue;
  timestamp now;
};
// Settles everything that the topic holds.
struct purge_queue_command {
  queue_id queue;
};

}  // namespace skald::shard
