// Where commands become committed: the seam between a shard and replication.
//
// The shard proposes entries and applies each when the log reports it committed. local_commit_log commits
// what its own journal has made durable; a replicated one commits what a quorum has. The shard cannot tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

#include "broker/journal/journal.hpp"

namespace skald::shard {

struct committed_entry {
  journal::entry_kind kind = journal::entry_kind::command;
  journal::sequence sequence;
  journal::log_index index;
  journal::place payload;
  journal::place body;
  std::vector<std::byte> head;
};

class commit_log {
 public:
  // Told on the shard's executor.
  class listener {
   public:
    // In order of sequence. Those that this shard proposed come in the order it proposed them.
    virtual void on_committed(std::vector<committed_entry> entries) = 0;
    virtual void on_space() = 0;

   protected:
    ~listener() = default;
  };

  virtual ~commit_log() = default;
  // Queues entries, all or (on an error, see journal::append) none. On the shard's executor.
  virtual std::error_code propose(std::vector<journal::new_entry> entries, journal::urgency how) = 0;
};

}  // namespace skald::shard
