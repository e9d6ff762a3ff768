// What sessions ask of the consumer groups of a shard, wherever that shard runs.
//
// Threading: as shard_port.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/delivery/consumer_group.hpp"
#include "broker/server/shard_port.hpp"

namespace skald::server {

using delivery::membership;
using delivery::partition_ref;

struct group_join {
  std::string group;
  delivery::join_request who;
  std::map<partition_ref, offset> goes_on;  // where, in what it had
  start_at start;                           // without a committed position
};

// What a member is told, in order: first `joined` or `ended`, then `changed` any number of times, at last
// `ended`.
struct group_event {
  enum class kind : std::uint8_t { joined, changed, ended } what = kind::changed;
  membership is;                       // joined
  located_topics assigned;             // changed: what it has now, and where that begins
  std::vector<partition_ref> revoked;  // changed: what it is to release
  std::vector<partition_ref> lost;     // changed: what it no longer has
  shard::failure why;                  // ended
};

struct group_partition {
  partition_ref of;
  std::optional<offset> position;
  timestamp committed;
  offset log_start;
  offset end;
  delivery::member_id member;
};

struct group_summary {
  std::string name;
  std::size_t members = 0;
  std::size_t partitions = 0;  // with a position
  std::uint64_t lag = 0;
};

struct group_query {
  std::string group;
  delivery::member_id after_member;
  std::size_t members_max = 0;
  std::optional<partition_ref> after;
  std::size_t partitions_max = 0;
};

struct group_description {
  shard::failure why;  // unknown_group
  std::vector<delivery::member_info> members;
  bool more_members = false;
  std::vector<shard::shard::resolved_topic> topics;
  std::vector<group_partition> partitions;
  bool more_partitions = false;
};

class group_port {
 public:
  // Destroying it says that the member's connection is lost, unless it has left.
  using token = std::shared_ptr<void>;
  using done = std::function<void(shard::failure)>;
  virtual ~group_port() = default;

  virtual token join(group_join who, std::function<void(group_event)> tell) = 0;
  virtual void heartbeat(std::string group, membership who) = 0;
  virtual void leave(std::string group, membership who) = 0;
  virtual void release(std::string group, membership who, std::vector<partition_ref> given_back) = 0;

  // See CommitOffsets; times of the positions are not looked at.
  virtual void commit(std::string group, membership who, std::vector<shard::shard::position> positions,
                      done then) = 0;
  virtual void list(std::string after, std::size_t limit,
                    std::function<void(std::vector<group_summary>, bool more)> then) = 0;
  virtual void describe(group_query what, std::function<void(group_description)> then) = 0;
  virtual void remove(std::string group, done then) = 0;
};

}  // namespace skald::server
