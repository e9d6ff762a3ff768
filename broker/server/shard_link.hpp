// The way from the reactors to a shard that lives on one of them.
//
// `shard_service` is the shard's side, one for each shard; `shard_link` a reactor's side of it, one for each
// pair. A link posts to the shard's reactor, the service posts the outcome back; mailboxes make batches of
// both.
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>

#include "broker/base/executor.hpp"
#include "broker/server/group_service.hpp"
#include "broker/server/shard_port.hpp"

namespace skald::server {

class shard_service {
 public:
  explicit shard_service(executor& runs_on);
  // Not before the shard's reactor has stopped and the shard is gone: it may hold watchers of ours.
  ~shard_service();
  // The shard to serve, before anything is asked of it.
  void open(shard::shard& served) { shard_ = &served; }

  executor& runs_on() { return runs_on_; }

 private:
  friend class shard_link;
  class wait;

  located_topics locate(const std::string& topic, std::vector<start_at> starts,
                        const std::optional<start_at>& others) const;
  shard::failure locate_topics(const std::string& topic, located_topics& located) const;
  shared_key_plan plan_key(const std::string& topic, std::optional<partition_id>& partition,
                           const std::string& key, std::uint64_t from_version, std::size_t limit) const;
  shard::key_listing list_keys(const std::string& topic, partition_id partition, const std::string& prefix,
                               const std::string& after, std::size_t limit) const;

  shard::shard* shard_ = nullptr;
  executor& runs_on_;
  std::unordered_set<std::shared_ptr<wait>> waiting_;  // at the shard
};

// A start, by the id of its topic, as an offset. Fails with unknown_partition or offset_out_of_range.
shard::failure locate_start(const shard::shard& in, const start_at& start, located_start& found);

class shard_link final : public shard_port {
 public:
  shard_link(shard_service& to, group_service& groups, executor& here)
      : to_(to), here_(here), groups_(groups, here) {}

  void create_topic(std::string name, shard::topic_settings settings, bool if_absent,
                    shard::shard::topic_done done) override;
  void alter_topic(std::string name, shard::topic_changes changes, shard::shard::topic_done done) override;
  void delete_topic(std::string name, std::function<void(shard::failure)> done) override;
  void describe_topic(std::string name, std::function<void(std::optional<shard::topic_info>)> done) override;
  void list_topics(std::string after, std::size_t limit,
                   std::function<void(std::vector<shard::topic_info>, bool)> done) override;
  void append(std::vector<shard::append_request> batches, durability wanted,
              shard::shard::append_done done) override;
  void init_producer(shard::producer_request what, shard::shard::producer_done done) override;
  void locate(std::string topic, std::vector<start_at> starts, std::optional<start_at> others,
              std::function<void(located_topics)> done) override;
  void commit(shard::commit_request what, shard::shard::commit_done done) override;
  void plan(shard::shard::partition_ref of, offset from, std::uint64_t bytes_max,
            std::function<void(shared_plan)> done) override;
  wait_token plan_when_readable(shard::shard::partition_ref of, offset from, std::uint64_t bytes_max,
                                std::function<void(shared_plan)> done) override;
  void plan_key(std::string topic, std::optional<partition_id> partition, std::string key,
                std::uint64_t from_version, std::size_t limit,
                std::function<void(partition_id, shared_key_plan)> done) override;
  void list_keys(std::string topic, partition_id partition, std::string prefix, std::string after,
                 std::size_t limit, std::function<void(shard::key_listing)> done) override;
  group_port& groups() override { return groups_; }
  void list_timers(timer_page which,
                   std::function<void(std::vector<shard::timer_info>, bool more)> done) override;
  void stats(std::function<void(shard::statistics)> done) override;

 private:
  // A completion for the shard to call on its reactor, which calls `done` on ours.
  template <class... Results>
  std::function<void(Results...)> back(std::function<void(Results...)> done);

  shard_service& to_;
  executor& here_;
  group_link groups_;
};

}  // namespace skald::server
