// What a member of a consumer group has done in each of its partitions: handed out, processed, committed; and
// which partitions it is to give back.
//
// Without I/O. Positions are offsets of the record that comes next: committed <= sent <= processed <= given.
// What was sent in a commit is presumed to arrive before whatever is sent after it, so that a partition is
// released right behind the commit that covers it. Not thread safe.
#pragma once

#include <map>
#include <vector>

#include "client/src/subscriber_core.hpp"

namespace skald::detail {

class member_positions {
 public:
  // A new connection: nothing is the member's until it is assigned or revoked again.
  void attached();
  void assigned(const placed_offset& at);
  // The broker wants it back.
  void revoked(const topic_partition& of);
  void lost(const topic_partition& of) { partitions_.erase(of); }

  void given(const topic_partition& of, offset next);
  // Everything handed out so far has been processed.
  void processed_all();

  // Positions to commit now; they count as sent.
  std::vector<placed_offset> begin_commit();
  // A commit of just this is sent, as the program said.
  void sent(const placed_offset& at);
  // A unit of work has committed this.
  void acknowledged(const placed_offset& at);
  void committed(const std::vector<placed_offset>& positions);
  // They are sent again with the next commit.
  void commit_failed(const std::vector<placed_offset>& positions);
  // Partitions to give back now, because nothing is left to commit. They are forgotten.
  std::vector<topic_partition> take_releasable();

 private:
  struct progress {
    offset committed;
    offset sent;
    offset processed;
    offset given;
    bool held = true;      // on this connection
    bool leaving = false;  // to be released
  };
  std::map<topic_partition, progress> partitions_;
};

}  // namespace skald::detail
