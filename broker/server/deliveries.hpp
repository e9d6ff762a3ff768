// The subscriptions of one session: whose turn it is, what may be sent, and where each partition stands.
//
// A subscription follows partitions of one topic, or of all topics that match a pattern; they may join and
// leave while it runs. It moves round its partitions: each turn sends one delivery of whole batches. It sends
// only while the subscriber has credit left (a delivery may overdraw it once) and the output queue is short,
// so a slow subscriber costs a bounded amount of memory and nobody else's time. A partition without anything
// to read waits at the shard, and what comes back from there is already the plan of what to read.
//
// With a filter, what is read is gone through here, and only what matches travels and uses credit. Where
// there is nothing for long, the subscriber is told how far that was: at once when a partition has been gone
// through to its end, otherwise about once a second.
//
// Runs on the session's reactor.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/server/group_port.hpp"
#include "broker/server/host.hpp"
#include "broker/server/start_resolver.hpp"

namespace skald::server {

class session;
class pending_request;

class deliveries {
 public:
  explicit deliveries(session& of);
  ~deliveries();
  deliveries(const deliveries&) = delete;
  deliveries& operator=(const deliveries&) = delete;

  void subscribe(std::uint64_t id, const wire::Subscribe& message);
  void credit(const wire::Credit& message);
  void seek(std::uint64_t id, const wire::Seek& message);
  void unsubscribe(std::uint64_t id, const wire::Unsubscribe& message);
  void heartbeat(std::uint64_t id, const wire::MemberHeartbeat& message);
  void release(std::uint64_t id, const wire::ReleasePartitions& message);

  // Sends what may be sent; called whenever there is room for more output.
  void pump();
  // Drops plans that were not used since the last sweep: they keep segments from being recycled.
  void sweep();
  void topic_changed(const shard::topic_change& change);
  void clear();

 private:
  struct cursor;
  struct subscription;
  struct member_state;
  using shared = std::shared_ptr<subscription>;
  using weak = std::weak_ptr<subscription>;

  shared find(std::uint64_t subscription_id) const;
  void opened(const weak& which, const pending_request& request, const resolved_topics& topics);
  void sought(const weak& which, const pending_request& request, std::uint32_t seek,
              const resolved_topics& topics);
  void follow(const shared& which, const shard::topic_change& change);
  void grow(const shared& which, const shard::topic_change& topic);
  void drop_topic(const shared& which, topic_id topic);
  bool has_room_for(const subscription& which, std::size_t partitions) const;
  cursor& add(subscription& which, topic_id topic, partition_id partition, offset from);
  void drop(subscription& which, const cursor& at);
  void remove(subscription& which);
  void end(const shared& which, errc code, const std::string& why);

  static std::weak_ptr<cursor> held(const subscription& which, const cursor& at);
  // delivery_groups.cpp: a member of a consumer group, whose partitions are what the group assigns.
  void join_group(std::uint64_t id, const wire::Subscribe& message, const shared& as,
                  const std::vector<start_at>& had);
  void member_told(const shared& which, group_event event);
  void follow_assignments(const shared& which);
  void assign(const shared& which, const resolved_topics& joined, const std::vector<partition_ref>& revoked,
              const std::vector<partition_ref>& lost);
  shared find_member(std::uint64_t id, std::uint64_t subscription_id) const;
  void leave_group(subscription& which);

  void ready(const shared& which, cursor& at);
  void runnable(const shared& which);
  void serve(const shared& which);
  void ask_for_plan(const shared& which, cursor& at);
  void planned(const shared& which, cursor& at, shared_plan plan);
  // Tells the client that there is nothing for it before the plan's end, and goes on there.
  void pass_over(const shared& which, cursor& at, const shard::read_plan& plan);
  void plan_failed(const shared& which, cursor& at, const shard::read_plan& plan);
  void read(const shared& which, cursor& at);
  void deliver(const shared& which, cursor& at, const shared_plan& plan, const batch_run& run, slice bytes);
  // filtered_delivery.cpp
  void deliver_filtered(const shared& which, cursor& at, const shared_plan& plan, const batch_run& run,
                        const slice& bytes);
  void tell_progress(const subscription& which, cursor& at);
  void pump_later();
  // delivery_pump.cpp
  void send(subscription& which, cursor& at, const shard::read_plan& plan, offset next,
            selected_records what);
  void advance(const shared& which, cursor& at, const shared_plan& plan, offset next);
  void read_failed(const shared& which, const cursor& at, std::error_code failed);

  session& session_;
  session_host& host_;
  std::unordered_map<std::uint64_t, shared> subscriptions_;
  std::deque<shared> runnable_;  // with a partition ready and credit left; in the order of their turns
  std::size_t partitions_ = 0;
  std::size_t bytes_being_read_ = 0;
  std::size_t bytes_filtered_ = 0;  // since the last pump() began
  bool pumping_ = false;
  bool pumping_later_ = false;
};

}  // namespace skald::server
