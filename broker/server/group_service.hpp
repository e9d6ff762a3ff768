// The consumer groups of a shard, on the shard's reactor: carries what sessions ask to the coordinator, and
// what the coordinator decides to the members, together with where each partition begins.
//
// `group_link` is a reactor's side of it, one for each reactor.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "broker/base/executor.hpp"
#include "broker/delivery/group_coordinator.hpp"
#include "broker/server/group_port.hpp"

namespace skald::server {

class group_service {
 public:
  explicit group_service(executor& runs_on) : runs_on_(runs_on) {}
  // The shard whose groups they are, before anything is asked.
  void open(shard::shard& served, std::chrono::milliseconds grace);
  executor& runs_on() { return runs_on_; }

  // One membership on one connection.
  struct listener {
    std::string group;
    membership is;
    start_at start;
    std::map<partition_ref, offset> goes_on;
    std::function<void(group_event)> tell;
  };

  // All on the shard's reactor.
  void join(const std::shared_ptr<listener>& as, const delivery::join_request& who);
  void disconnected(const std::shared_ptr<listener>& which);
  void heartbeat(const std::string& group, membership who);
  void leave(const std::string& group, membership who);
  void release(const std::string& group, membership who, const std::vector<partition_ref>& given_back);
  void commit(const std::string& group, membership who, const std::vector<shard::shard::position>& positions,
              group_port::done then);
  // For commits that carry positions: whether the member may (see commit()), and then that they are under
  // way, until committed().
  shard::failure begin_commit(const std::string& group, membership who, const std::vector<partition_ref>& of);
  void committed(const std::string& group, const std::vector<partition_ref>& of);
  std::vector<group_summary> list(const std::string& after, std::size_t limit, bool& more);
  group_description describe(const group_query& what);
  void remove(const std::string& group, group_port::done then);
  void topic_changed(const shard::topic_change& change);

 private:
  using listener_key = std::tuple<std::string, delivery::member_id, delivery::member_epoch>;

  static std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }
  void tick();
  void tell_members();
  void tell(listener& who, const std::vector<delivery::group_effect>& effects);
  void begin(listener& who, partition_ref of, group_event& event);
  shard::failure may_commit(const std::string& group, membership who,
                            const std::vector<partition_ref>& of) const;
  void pin_start(const std::string& group, partition_ref of, offset at);
  void propose(const std::string& group, const std::vector<shard::shard::position>& positions,
               group_port::done then);
  group_partition facts_of(partition_ref of, const shard::shard::position* position,
                           delivery::member_id member) const;

  executor& runs_on_;
  shard::shard* shard_ = nullptr;
  std::unique_ptr<delivery::group_coordinator> coordinator_;
  std::map<listener_key, std::shared_ptr<listener>> listeners_;
  bool ticking_ = false;
};

class group_link final : public group_port {
 public:
  group_link(group_service& to, executor& here) : to_(to), here_(here) {}

  token join(group_join who, std::function<void(group_event)> tell) override;
  void heartbeat(std::string group, membership who) override;
  void leave(std::string group, membership who) override;
  void release(std::string group, membership who, std::vector<partition_ref> given_back) override;
  void commit(std::string group, membership who, std::vector<shard::shard::position> positions,
              done then) override;
  void list(std::string after, std::size_t limit,
            std::function<void(std::vector<group_summary>, bool)> then) override;
  void describe(group_query what, std::function<void(group_description)> then) override;
  void remove(std::string group, done then) override;

 private:
  done back(done then);

  group_service& to_;
  executor& here_;
};

}  // namespace skald::server
