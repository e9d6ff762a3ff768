// The heart of a shard: applies committed commands to the tables.
//
// Deterministic: the effect and the new logical state follow from the command and the logical state alone. No
// clock, no randomness, no order that depends on memory. Whether a command takes effect is decided here and
// nowhere else; whoever proposed it may have refused early what is certain to be refused here.
//
// Idempotent producers, after Kafka (KIP-98, KIP-360), per partition and producer:
//   - A batch must begin with the sequence number after its predecessor's last: otherwise
//     out_of_order_sequence. Sequence numbers wrap from 2^31-1 to 0.
//   - One of the last five batches, sent again, is a duplicate: it gets its original offset, and its bytes
//     in the journal are dead.
//   - A lower epoch than the last is fenced_producer. A higher one begins again with sequence 0.
//   - A producer that the partition does not know (it is new here, or was idle for so long that it has been
//     forgotten, or the topic was deleted and made again) may begin with any number. If its first batch is
//     refused, that number is remembered: batches that were already on their way behind it are then out of
//     order, rather than being stored before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "broker/shard/command.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

// What came of a command, for whoever proposed it.
struct effect {
  failure why;
  topic_id topic;          // appended to, created, altered or deleted
  partition_id partition;  // appended to
  offset base_offset;
  bool duplicate = false;
  producer_id producer;  // new
  enum class change : std::uint8_t { nothing_to_read, records_added, topic_gone } readers = {};
};

class state_machine {
 public:
  explicit state_machine(state::tables& over);

  // `batch` is where the batch of an append or a relocation lies; otherwise unused.
  effect apply(const command& what, journal::place batch);

  // Clears away index rows of trimmed batches and deleted topics, at most `rows_max` of them, and with them
  // the live bytes of segments. A node does this when it likes. Says whether there is more.
  bool collect_garbage(std::size_t rows_max);

  // Topics by name, in order.
  const std::map<std::string, topic_id, std::less<>>& topics_by_name() const { return by_name_; }
  std::optional<topic_id> find(std::string_view name) const;

 private:
  effect on(const append_command&, journal::place batch);
  effect on(const create_topic_command&, journal::place);
  effect on(const alter_topic_command&, journal::place);
  effect on(const delete_topic_command&, journal::place);
  effect on(const init_producer_command&, journal::place);
  effect on(const trim_command&, journal::place);
  effect on(const expire_producers_command&, journal::place);
  effect on(const relocated_command&, journal::place batch);

  failure limits_broken(const append_command&, const state::topic_row&, const state::partition_row&) const;
  void store_batch(const append_command&, journal::place batch, state::partition_row&);
  void add_partitions(topic_id topic, std::uint32_t from, std::uint32_t to);
  void drop_index_row(const state::batch_key& key, const state::batch_row& row);
  std::size_t collect_batches(const state::partition_key& of, std::size_t rows_max);
  std::size_t collect_producers(const state::partition_key& of, std::size_t rows_max);

  state::tables& tables_;
  std::map<std::string, topic_id, std::less<>> by_name_;  // follows from tables_.topics
};

}  // namespace skald::shard
