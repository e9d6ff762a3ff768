// The queues of a shard, on the shard's reactor: those that have consumers, and the questions and orders of
// operators.
//
// queue_link is a reactor's side of it, as shard_link is of the shard.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/server/active_queue.hpp"
#include "broker/server/queue_host.hpp"
#include "broker/server/queue_port.hpp"

namespace skald::server {

// All its functions are called on the shard's reactor; completions are called there, at once or later.
class queue_service {
 public:
  queue_service(executor& runs_on, std::function<moment()> now, timestamp started,
                std::function<void(const std::string&)> warn);
  // What it serves, before anything is asked of it.
  void open(shard::shard& served, plan_reader& reader);
  // Lets go of everything, before the shard goes; on any thread once the reactor has stopped.
  void shut_down();

  executor& runs_on() { return host_.runs_on; }
  void topic_grew(topic_id topic, std::uint32_t partitions);

  void create(const queue_name& name, const queue_changes& settings, bool if_absent, bool latest,
              queue_port::finished tell);
  void alter(const queue_name& name, const queue_changes& settings, queue_port::finished tell);
  void remove(const queue_name& name, queue_port::finished tell);
  void describe(const queue_name& name, const std::function<void(shard::failure, queue_info)>& tell);
  void list(const std::string& topic, const queue_name& after, std::size_t limit,
            const std::function<void(std::vector<queue_info>, bool more)>& tell);
  void peek(const queue_name& name, partition_id partition, offset from, std::size_t limit,
            std::function<void(queue_peek)> tell);
  void retry(const queue_name& name, queue_port::records_told tell);
  void purge(const queue_name& name, bool dry_run, queue_port::records_told tell);
  void settle_dead(const queue_name& name, partition_id partition, std::vector<offset> records, bool drop,
                   queue_port::records_told tell);

  void open_queue(queue_opening what, queue_told told, std::function<void(queue_opened)> tell);
  void close_queue(consumer_id consumer, bool counted);
  void settle(consumer_id consumer, std::vector<queue_settlement> what,
              std::function<void(std::vector<settle_failure>)> tell);
  void delivered(consumer_id consumer, std::size_t bytes);

  // Leased records that a commit acknowledges.
  struct held_lease {
    std::shared_ptr<active_queue> of;
    delivery::set_aside_records what;
  };
  // Nothing unless the consumer holds them; otherwise committed() says what came of the commit.
  std::optional<held_lease> set_aside(consumer_id consumer, const delivery::lease_ref& what);
  static void committed(const held_lease& held, bool took_effect);

 private:
  struct found_queue {
    shard::failure why;
    queue_id id;
    const state::queue_row* row = nullptr;
  };
  found_queue find(const queue_name& name) const;
  shard::failure settings_of(const queue_name& name, const queue_changes& changes,
                             shard::queue_settings& into) const;
  queue_info info_of(queue_id id, const state::queue_row& row, bool with_partitions) const;
  std::uint64_t unsettled(queue_id id, const state::queue_row& row, queue_info* into) const;
  void count_parked(queue_id id, queue_info& into) const;
  void attach(queue_id id, const queue_opening& what, queue_told told,
              const std::function<void(queue_opened)>& tell);
  std::shared_ptr<active_queue> active(queue_id id) const;

  queue_host host_;
  std::unordered_map<queue_id, std::shared_ptr<active_queue>> active_;
  std::unordered_map<consumer_id, std::shared_ptr<active_queue>> by_consumer_;
  std::uint64_t last_consumer_ = 0;
};

class queue_link final : public queue_port {
 public:
  queue_link(queue_service& to, executor& here) : to_(to), here_(here) {}

  void create_queue(queue_name name, queue_changes settings, bool if_absent, bool latest,
                    finished tell) override;
  void alter_queue(queue_name name, queue_changes settings, finished tell) override;
  void delete_queue(queue_name name, finished tell) override;
  void describe_queue(queue_name name, std::function<void(shard::failure, queue_info)> tell) override;
  void list_queues(std::string topic, queue_name after, std::size_t limit,
                   std::function<void(std::vector<queue_info>, bool)> tell) override;
  void peek_queue(queue_name name, partition_id partition, offset from, std::size_t limit,
                  std::function<void(queue_peek)> tell) override;
  void retry_queue(queue_name name, records_told tell) override;
  void purge_queue(queue_name name, bool dry_run, records_told tell) override;
  void settle_dead(queue_name name, partition_id partition, std::vector<offset> records, bool drop,
                   records_told tell) override;
  void open_queue(queue_opening what, queue_told told, std::function<void(queue_opened)> tell) override;
  void close_queue(consumer_id consumer, bool counted) override;
  void settle(consumer_id consumer, std::vector<queue_settlement> what,
              std::function<void(std::vector<settle_failure>)> tell) override;
  void delivered(consumer_id consumer, std::size_t bytes) override;

 private:
  template <class... Results>
  std::function<void(Results...)> back(std::function<void(Results...)> done);

  queue_service& to_;
  executor& here_;
};

}  // namespace skald::server
