// Commits that acknowledge inputs, on the shard's reactor.
//
// The journal knows nothing of leases and members: they are in memory, here. So a commit's leases are taken
// out of their queues before it is proposed, and given back untouched if it is refused; its members are asked
// of their groups, and none of their partitions moves until it is decided.
//
// A commit that is sent again finds its leases gone and its member's epoch old, because the first try took
// effect, or its connection was lost. What was made before is therefore looked up first; and one that is
// still on its way is waited for, so that both tries get the same answer.
//
// `commit_link` is a reactor's side of it.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <vector>

#include "broker/base/executor.hpp"
#include "broker/server/commit_port.hpp"
#include "broker/server/group_service.hpp"
#include "broker/server/queue_service.hpp"

namespace skald::server {

class commit_service {
 public:
  commit_service(executor& runs_on, group_service& groups, queue_service& queues)
      : runs_on_(runs_on), groups_(groups), queues_(queues) {}
  // What it serves, before anything is asked of it.
  void open(shard::shard& served) { shard_ = &served; }

  executor& runs_on() { return runs_on_; }
  // On the shard's reactor; `done` is called there, at once or later.
  void commit(shard::commit_request what, commit_inputs inputs, shard::shard::commit_done done);

 private:
  struct name {
    producer_id by;
    producer_epoch epoch;
    std::uint64_t sequence = 0;
    friend auto operator<=>(const name&, const name&) = default;
  };
  using listeners = std::vector<shard::shard::commit_done>;
  // What a commit has taken, until it is decided.
  struct taken {
    std::vector<member_positions> positions;
    std::vector<queue_service::held_lease> leases;
  };

  bool take(commit_inputs inputs, shard::commit_request& into, taken& all, shard::commit_result& refused);
  void let_go(const taken& all, bool took_effect);

  executor& runs_on_;
  group_service& groups_;
  queue_service& queues_;
  shard::shard* shard_ = nullptr;
  std::map<name, listeners> under_way_;  // those that have a name
};

class commit_link final : public commit_port {
 public:
  commit_link(commit_service& to, executor& here) : to_(to), here_(here) {}
  void commit(shard::commit_request what, commit_inputs inputs, shard::shard::commit_done done) override;

 private:
  commit_service& to_;
  executor& here_;
};

}  // namespace skald::server
