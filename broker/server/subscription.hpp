// One subscription and the place it has reached in each of its partitions. Internal to deliveries.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/server/deliveries.hpp"
#include "broker/server/record_filter.hpp"
#include "skald/protocol/topic_pattern.hpp"

namespace skald::server {

// What is under way for a cursor holds it weakly: its partition may leave meanwhile.
struct deliveries::cursor {
  cursor(shard::shard::partition_ref following, offset from) : of(following), next(from), told(from) {}

  const shard::shard::partition_ref of;
  offset next;                // the first record to deliver
  std::uint32_t visit = 0;    // counts seeks: what was under way for an earlier one is ignored
  bool queued = false;        // in the subscription's ready queue
  bool plan_used = false;     // since the last sweep
  shared_plan plan;           // what lies from `next` on, when known
  std::size_t plan_next = 0;  // the first batch of the plan that was not sent
  wait_token waiting;         // at the shard, for a plan
  // What the subscriber knows of the place, where there is a filter.
  offset told;                                          // nothing before it is still to come
  std::chrono::steady_clock::time_point end_told_at{};  // that it was reached, by itself
  offset high_watermark;                                // as of the last plan
  offset log_start;

  bool has_batches() const { return plan && plan_next < plan->batches.size(); }
  void forget_plan() { plan.reset(), plan_next = 0; }
};

// What makes a subscription that of a group's member.
struct deliveries::member_state {
  std::string group;
  membership is;
  std::deque<group_event> events;  // to be followed in their order
  bool stays = false;              // a static member keeps its partitions while it is away
  bool resolving = false;          // the first of them is being followed
  group_port::token connected;
};

struct deliveries::subscription {
  subscription(std::uint64_t with_id, std::string_view of) : id(with_id), topic(of) {
    if (protocol::is_pattern(of)) {
      if (auto parsed = protocol::topic_pattern::parse(of)) pattern = std::move(*parsed);
    }
  }

  const std::uint64_t id;
  const std::string topic;  // or the pattern
  std::optional<protocol::topic_pattern> pattern;
  std::map<topic_id, std::string> names;    // of the topics followed
  bool open = false;                        // the shard has said where it begins
  bool others = false;                      // also partitions and topics that come later
  bool queued = false;                      // in deliveries::runnable_
  std::vector<shard::topic_change> missed;  // while it was being opened
  std::int64_t credit = 0;
  std::size_t delivery_bytes_max = 0;
  std::optional<record_filter> filter;
  std::uint32_t seek = 0;
  std::map<shard::shard::partition_ref, std::shared_ptr<cursor>> cursors;
  std::unique_ptr<member_state> member;  // null unless of a group
  std::deque<cursor*> ready;             // with something to do, in the order of their turns

  cursor* find(shard::shard::partition_ref of) const {
    const auto at = cursors.find(of);
    return at == cursors.end() ? nullptr : at->second.get();
  }
  // The partition that a request names; without a topic, the only one.
  shard::shard::partition_ref named(const start_at& start) const {
    if (start.topic != topic_id() || pattern || names.empty()) return {start.topic, start.partition};
    return {names.begin()->first, start.partition};
  }
  std::string_view name_of(topic_id of) const {
    const auto found = names.find(of);
    return found == names.end() ? std::string_view(topic) : found->second;
  }

  // How far to plan ahead: many partitions share what one would have.
  std::uint64_t plan_bytes() const {
    constexpr std::uint64_t all = 4u << 20;
    constexpr std::uint64_t least = 128u << 10;
    return std::clamp(all / std::max<std::uint64_t>(cursors.size(), 1), least, all);
  }
};

}  // namespace skald::server
