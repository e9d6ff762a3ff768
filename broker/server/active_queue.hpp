// A queue with consumers: the dispatcher of its records, and what carries out what that decides.
//
//   batches -> feed -> dispatch -> runs -> encoded as fresh batches -> consumers
//   settlements, deadlines, closed connections -> verdicts -> journal -> done
//
// Stored batches are decoded once, when they are fed, and kept while their records go out; a record that is
// to go out again later is read again. Each consumer has a bounded number of bytes on their way to it; what
// is leased to it beyond that waits, encoded only when there is room.
//
// It lives while it has consumers, or verdicts on their way. Runs on the shard's reactor.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/queue_dispatcher.hpp"
#include "broker/server/queue_host.hpp"
#include "broker/server/queue_port.hpp"

namespace skald::server {

class active_queue final : public std::enable_shared_from_this<active_queue>, delivery::queue_history {
 public:
  // `when_idle` is told when there is nothing left to do for it; it may let go of the queue then.
  active_queue(queue_host& host, queue_id id, std::function<void(queue_id)> when_idle);
  ~active_queue();

  queue_id id() const { return id_; }
  topic_id topic() const { return topic_; }
  const std::string& topic_name() const { return topic_name_; }
  std::size_t consumers() const { return consumers_.size(); }
  bool idle() const { return consumers_.empty() && dispatcher_->in_limbo() == 0; }
  delivery::queue_dispatcher::counts count() const { return dispatcher_->count(); }
  bool ended() const { return ended_; }

  void open(consumer_id consumer, const queue_opening& how, queue_told told);
  void close(consumer_id consumer, bool counted);
  void settle(consumer_id consumer, std::vector<queue_settlement> what,
              std::function<void(std::vector<settle_failure>)> tell);
  void delivered(consumer_id consumer, std::size_t bytes);
  // Leased records that a commit acknowledges. Nothing when the consumer does not hold them; otherwise
  // committed() follows.
  std::optional<delivery::set_aside_records> set_aside(consumer_id consumer, const delivery::lease_ref& what);
  // `took_effect`: they are settled; otherwise the consumer has them again.
  void committed(const delivery::set_aside_records& what, bool took_effect);

  void topic_grew(std::uint32_t partitions);
  void settings_changed();
  void purged();
  void begin_unpark() { dispatcher_->begin_unpark(); }
  void end_unpark(moment at);
  // Lets go of the shard, which is about to go.
  void abandon();
  // Tells all consumers, and does nothing from then on.
  void end(const shard::failure& why);

 private:
  // Waits at the shard for records of a partition; goes away with the partition's need of it.
  class watch final : public shard::watcher {
   public:
    watch(active_queue& of, partition_id p, offset from);
    ~watch();
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;
    void on_readable() override;

   private:
    active_queue& of_;
    const partition_id partition_;
    bool waiting_ = true;
  };
  struct partition_state {
    std::unique_ptr<watch> waiting;  // for the first record to be fed
    bool reading = false;
    std::deque<std::shared_ptr<stored_records>> window;  // fed, and not all leased
    std::deque<std::pair<offset, offset>> gaps;          // fed, and compacted away
  };
  struct consumer {
    queue_told told;
    std::size_t delivery_bytes_max = 0;
    std::size_t in_transit = 0;
    bool fetching = false;
    std::deque<delivery::leased_run> pending;  // leased, and not sent
  };

  // ---- of the history ----
  std::optional<delivery::known_range> next(partition_id partition, offset from) override;
  std::vector<delivery::known_range> parked(const delivery::parked_key& from, std::size_t count,
                                            const std::function<offset(partition_id)>& cursor) override;
  delivery::known_range known(partition_id partition, offset first, const state::queue_record_row& row) const;

  void add_partitions(std::uint32_t partitions);
  void pump();
  void pump_later();
  bool read_more();
  bool read(partition_id p);
  bool feed(partition_id p, fetched_records found);
  // What compaction has taken is settled, as if somebody had done it.
  void settle_gaps(partition_id p, const std::vector<std::pair<offset, offset>>& gaps);
  void read_failed(partition_id p, const fetched_records& found);
  void wait_for_records(partition_id p, offset from);
  // A purge, or retention, has taken what is before: it is not leased, and not sent, any more.
  void drop_before(partition_id p, offset floor);

  void serve(consumer_id id);
  // Encodes what goes into one delivery; nothing when a batch has to be read first.
  bool send_next(consumer_id id, consumer& to);
  std::shared_ptr<stored_records> find(partition_id p, offset at) const;
  void fetch_for(consumer_id id, consumer& to);
  void fetched_for(consumer_id id, partition_id p, offset at, const fetched_records& found);
  void keep(std::shared_ptr<stored_records> batch, partition_id p);

  void carry_out(std::vector<delivery::verdict> verdicts, std::function<void(const shard::failure&)> then);
  void bury(const delivery::verdict& dead, std::function<void(const shard::failure&)> then);
  bool all_gone(const delivery::verdict& dead);
  void make_dead_topic(const std::function<void(const shard::failure&)>& then);
  std::string dead_topic() const;
  void finish(const delivery::verdict& what, const shard::failure& why);
  void settled_idle();

  void arm();
  void on_timer();

  queue_host& host_;
  const queue_id id_;
  const topic_id topic_;
  std::string topic_name_;
  state::queue_row row_;  // as it is now
  std::function<void(queue_id)> when_idle_;
  std::unique_ptr<delivery::queue_dispatcher> dispatcher_;
  std::vector<partition_state> partitions_;
  std::map<consumer_id, consumer> consumers_;
  std::vector<delivery::leased_run> runs_;
  // Read again, for records that go out again; the newest last.
  std::deque<std::pair<partition_id, std::shared_ptr<stored_records>>> recent_;
  std::size_t recent_bytes_ = 0;
  bool dead_topic_ready_ = false;
  bool pumping_ = false;
  bool pump_coming_ = false;
  bool ended_ = false;
  std::optional<moment> armed_;
};

}  // namespace skald::server
