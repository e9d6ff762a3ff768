// What sessions ask when a commit acknowledges inputs: its groups' members and its leases are looked at where
// they live.
//
// Threading: as shard_port.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/delivery/consumer_group.hpp"
#include "broker/delivery/queue_dispatcher.hpp"
#include "broker/shard/shard.hpp"

namespace skald::server {

// Where a group goes on, as one of its members says, or nobody; as for CommitOffsets.
struct member_positions {
  std::string group;
  delivery::membership by;
  std::vector<std::pair<delivery::partition_ref, offset>> next;
};

// Records of a queue, as a consumer says who holds them.
struct held_records {
  delivery::consumer_id consumer;  // 0: none
  delivery::lease_ref what;
};

struct commit_inputs {
  std::vector<member_positions> positions;
  std::vector<held_records> leases;
  bool empty() const { return positions.empty() && leases.empty(); }
};

class commit_port {
 public:
  virtual ~commit_port() = default;
  // As shard::commit(), and refused with unknown_member, fenced_member, group_in_use or unknown_lease when an
  // input is not the caller's to acknowledge. A commit that was made before is recognised before anything
  // else is looked at.
  virtual void commit(shard::commit_request what, commit_inputs inputs, shard::shard::commit_done done) = 0;
};

}  // namespace skald::server
