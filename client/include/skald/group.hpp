// Consumer groups, as administration sees them; subscription.hpp says what it is to be a member.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <skald/protocol/types.hpp>

namespace skald {

struct group_summary {
  std::string name;
  std::uint32_t members = 0;
  std::uint32_t partitions = 0;  // with a committed position
  std::uint64_t lag = 0;         // records behind those positions
};

struct group_member {
  std::uint64_t id = 0;
  std::uint32_t epoch = 0;
  std::string instance;      // of a static member
  std::string subscription;  // the topic or pattern
  bool connected = false;    // otherwise it may come back, until its session timeout
  std::uint32_t partitions = 0;
};

struct group_partition {
  std::string topic;
  topic_id topic_is;
  partition_id partition;
  std::optional<offset> position;  // of the next record; absent: none was committed
  timestamp committed;
  offset log_start;
  offset end;
  std::uint64_t member = 0;  // whose it is; 0: nobody's
  // Records that the group has not done; all that there are without a position.
  std::uint64_t lag() const {
    const offset next = position && *position > log_start ? *position : log_start;
    return next < end ? end - next : 0;
  }
};

struct group_info {
  std::string name;
  std::vector<group_member> members;        // in order of id
  std::vector<group_partition> partitions;  // those with a position or a member, in order of topic id
};

// Where a group is to go on.
struct group_position {
  topic_id topic;
  partition_id partition;
  offset next;
};

}  // namespace skald
