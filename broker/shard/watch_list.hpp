// Who waits for records, by partition.
//
// A watcher is told once and then forgotten. It is never told from within a call that it makes; between being
// due and being told it may still be removed. Only partitions that are watched take memory.
//
// Threading: the shard's executor.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <vector>

#include "broker/shard/shard.hpp"
#include "broker/state/rows.hpp"

namespace skald::shard {

class watch_list {
 public:
  void add(const state::partition_key& of, offset from, watcher& who);
  void remove(const state::partition_key& of, watcher& who);

  // The records before `end` are readable: those who await any of them are due.
  void advance(const state::partition_key& of, offset end);
  void topic_gone(topic_id topic);
  // Someone who need not wait at all is due.
  void add_due(watcher& who) { due_.push_back(&who); }

  bool any_due() const { return !due_.empty(); }
  // Tells those who are due, who may call anything here meanwhile.
  void tell();

 private:
  struct watch {
    offset from;
    watcher* who;
  };
  std::map<state::partition_key, std::vector<watch>> watches_;
  std::deque<watcher*> due_;
};

}  // namespace skald::shard
