// What the active queues of a shard share, and how they read its batches. All on the shard's reactor.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/executor.hpp"
#include "broker/delivery/queue_dispatcher.hpp"
#include "broker/server/plan_reader.hpp"
#include "broker/server/stored_records.hpp"
#include "broker/shard/queue_state.hpp"
#include "broker/shard/shard.hpp"

namespace skald::server {

using partition_ref = shard::shard::partition_ref;
using delivery::moment;

// Outlives what uses it.
struct queue_host {
  shard::shard* shard = nullptr;
  plan_reader* reader = nullptr;
  executor& runs_on;
  std::function<moment()> now;  // never goes back
  timestamp started;            // by the wall clock, when now() was 0
  std::function<void(const std::string&)> warn;

  // Due times are kept in the state by the clock on the wall. The difference is taken once: a clock that is
  // set while the broker runs moves nothing.
  timestamp wall(moment at) const { return started + at; }
  moment steady(timestamp at) const { return at - started; }
};

// Where the dead letters of a queue go. They are read by a queue of that topic: those dealt with are settled
// in it.
std::string dead_topic_of(const std::string& topic, const state::queue_row& queue);
inline constexpr std::string_view dead_queue_name = "dead";

struct fetched_records {
  shard::failure why;
  offset log_start;  // of the partition
  std::vector<std::shared_ptr<stored_records>> batches;
  offset next;  // these are all the records up to there
};
using fetched = std::function<void(fetched_records)>;

// The batches from the one that holds `from` on, about `bytes_max` of them, but at least one if there is one.
// At once when they are in memory; otherwise nothing, and `later` is called with them.
std::optional<fetched_records> fetch_records(queue_host& from_host, partition_ref of, offset from,
                                             std::size_t bytes_max, fetched later);

}  // namespace skald::server
