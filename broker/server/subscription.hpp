// One subscription and the place it has reached in each of its partitions. Internal to deliveries.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "broker/server/deliveries.hpp"

namespace skald::server {

struct deliveries::cursor {
  explicit cursor(partition_id of, offset from) : partition(of), next(from) {}

  const partition_id partition;
  offset next;                // the first record to deliver
  std::uint32_t visit = 0;    // counts seeks: what was under way for an earlier one is ignored
  bool queued = false;        // in the subscription's ready queue
  bool plan_used = false;     // since the last sweep
  shared_plan plan;           // what lies from `next` on, when known
  std::size_t plan_next = 0;  // the first batch of the plan that was not sent
  wait_token waiting;         // at the shard, for a plan

  bool has_batches() const { return plan && plan_next < plan->batches.size(); }
  void forget_plan() { plan.reset(), plan_next = 0; }
};

struct deliveries::subscription {
  subscription(std::uint64_t with_id, std::string of) : id(with_id), topic(std::move(of)) {}

  const std::uint64_t id;
  const std::string topic;
  topic_id stored_as;
  bool open = false;            // the shard has said where it begins
  bool all_partitions = false;  // also those that the topic gets later
  bool queued = false;          // in deliveries::runnable_
  topic_id grown_topic;         // the last topic that grew while it was being opened, and how far
  std::uint32_t grown_to = 0;
  std::int64_t credit = 0;
  std::size_t delivery_bytes_max = 0;
  std::uint32_t seek = 0;
  std::vector<std::unique_ptr<cursor>> cursors;  // in order of partition
  std::deque<cursor*> ready;                     // with something to do, in the order of their turns

  cursor* find(partition_id partition) {
    const auto at = std::lower_bound(
        cursors.begin(), cursors.end(), partition,
        [](const std::unique_ptr<cursor>& one, partition_id wanted) { return one->partition < wanted; });
    return at != cursors.end() && (*at)->partition == partition ? at->get() : nullptr;
  }

  // How far to plan ahead: many partitions share what one would have.
  std::uint64_t plan_bytes() const {
    constexpr std::uint64_t all = 4u << 20;
    constexpr std::uint64_t least = 128u << 10;
    return std::clamp(all / std::max<std::uint64_t>(cursors.size(), 1), least, all);
  }
};

}  // namespace skald::server
