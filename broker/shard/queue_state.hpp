// What a shard remembers of its queues, and how commands change it: a unit of the state machine, as
// deterministic as that.
//
// A queue reads one topic. What is settled (acknowledged, rejected, dead-lettered) is kept per partition as a
// floor and, above it, as ranges; see state/queue_rows.hpp. Settling what is settled already changes nothing:
// whoever must know asks check() first. Who holds a lease is not known here; see
// delivery/queue_dispatcher.hpp.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "broker/shard/queue_commands.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

class queue_state {
 public:
  explicit queue_state(state::tables& over);

  // ---- questions ----
  using name_key = std::pair<topic_id, std::string>;
  const std::map<name_key, queue_id>& by_name() const { return by_name_; }
  std::optional<queue_id> find(topic_id topic, std::string_view name) const;
  const state::queue_row* row(queue_id queue) const { return tables_.queues.find(queue); }
  // Null when nothing is known of the partition.
  const state::queue_partition_row* row(const state::queue_partition_key& of) const {
    return tables_.queue_partitions.find(of);
  }
  // All before it is settled or gone.
  offset floor(const state::queue_partition_key& of) const;
  // The first offset that some queue of the topic has not settled; beyond all when there is none.
  offset unsettled_from(const state::partition_key& of) const;
  using known_range = std::pair<offset, state::queue_record_row>;
  // The first range that ends after `from`.
  std::optional<known_range> next_range(const state::queue_partition_key& of, offset from) const;
  // All ranges of the queue, in order.
  void for_each_range(
      queue_id queue,
      const std::function<void(const state::queue_record_key&, const state::queue_record_row&)>& visit) const;

  // ---- commands ----
  failure create(const create_queue_command& c, queue_id& made);
  failure alter(const alter_queue_command& c);
  failure remove(queue_id queue);
  // unknown_queue, or unknown_lease when some of the range is settled already: for commands that are all or
  // nothing, before they change anything.
  failure check(const queue_range& range) const;
  void settle(const queue_range& range);
  void retry(const retried_range& range);
  failure unpark(const unpark_queue_command& c);
  failure purge(queue_id queue);

  // ---- what becomes of their topics ----
  void topic_deleted(topic_id topic);
  void trimmed(const state::partition_key& of, offset log_start);

 private:
  template <class Visit>
  void for_each_queue_of(topic_id topic, Visit&& visit) const;
  void carve(const state::queue_partition_key& of, state::queue_partition_row& row, offset first, offset end);
  void put_range(const state::queue_partition_key& of, state::queue_partition_row& row, offset first,
                 state::queue_record_row range);
  void drop_range(const state::queue_partition_key& of, state::queue_partition_row& row, offset first,
                  const state::queue_record_row& range);
  void raise_floor(const state::queue_partition_key& of, state::queue_partition_row& row, offset to);
  void settle_above(const state::queue_partition_key& of, state::queue_partition_row& row, offset first,
                    offset end);
  std::optional<known_range> range_at_or_before(const state::queue_partition_key& of, offset at) const;

  state::tables& tables_;
  std::map<name_key, queue_id> by_name_;  // follows from tables_.queues
};

}  // namespace skald::shard
