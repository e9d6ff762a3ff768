// The heart of a shard: applies committed commands to the tables.
//
// Deterministic: the effect and the new logical state follow from the command and the logical state alone. No
// clock, no randomness, no order that depends on memory. Whether a command takes effect is decided here and
// nowhere else; whoever proposed it may have refused early what is certain to be refused here.
//
// Idempotent producers, after Kafka (KIP-98, KIP-360), per partition and producer:
//   - A batch must begin with the sequence number after its predecessor's last: otherwise
//     out_of_order_sequence. Sequence numbers wrap from 2^31-1 to 0.
//   - One of the last remembered_batches, sent again, is a duplicate: it gets its original offset, and its
//     bytes in the journal are dead.
//   - A lower epoch than the last is fenced_producer. A higher one begins again with sequence 0.
//   - A producer that the partition does not know (it is new here, or was idle for so long that it has been
//     forgotten, or the topic was deleted and made again) may begin with any number. If its first batch is
//     refused, that number is remembered: batches that were already on their way behind it are then out of
//     order, rather than being stored before it.
//
// A producer may have a name. Whoever asks for the name last has it: the same id with the next epoch (after
// the last epoch a new id), and from then on batches and commits under anything else that was given to the
// name are fenced_producer, in partitions that know nothing of the producer, too. A name that was not used
// for so long that it is forgotten has no holder: whoever had it is fenced.
//
// A commit is checked whole before any of it is done; each part sees what the parts before it change. A
// message id that the partition knows makes an append a duplicate, by itself or in a commit: it gets the
// offset of the record that has the id, and nothing is stored.
//
// A record with a time to come is parked as a timer: its batch stays where the journal put it, and counts for
// nothing but space until a fire command appends it. Its message id is known, and its expected version has
// been judged, from the moment it is parked. A timer's name leads to one timer: setting it again replaces the
// record. The timers of a deleted topic are gone with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/shard/command.hpp"
#include "broker/shard/queue_state.hpp"
#include "broker/shard/record_index.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

// One append of a commit that took effect.
struct committed_append {
  state::partition_key to;
  offset base_offset{};       // state::not_yet: it waits
  std::uint32_t records = 0;  // 0: it has been appended before, or waits
  std::uint64_t version = 0;
  bool duplicate = false;
  std::uint32_t bytes = 0;  // of the records
};

// What came of a command, for whoever proposed it.
struct effect {
  failure why;
  commit_part refused;     // of a commit: which part `why` is about
  topic_id topic;          // appended to, created, altered or deleted
  partition_id partition;  // appended to
  offset base_offset;      // state::not_yet: the record waits
  bool duplicate = false;
  std::uint64_t version = 0;  // of the last record's key, in a topic with an index: now, or why it conflicts
  std::vector<committed_append> appends;  // of a commit, or of timers that fired; in order
  std::optional<timestamp> due;           // of the earliest timer that was set or moved
  state::producer_identity producer;      // given
  queue_id queue;                         // created
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
  const record_index& index() const { return index_; }
  const queue_state& queues() const { return queues_; }
  // Whether a commit was made before (with what came of it), or can no longer be made (with the reason).
  bool is_settled(producer_id by, producer_epoch epoch, std::uint64_t sequence, effect& outcome) const;

 private:
  effect on(const append_command&, journal::place batch);
  effect on(const create_topic_command&, journal::place);
  effect on(const alter_topic_command&, journal::place);
  effect on(const delete_topic_command&, journal::place);
  effect on(const init_producer_command&, journal::place);
  effect on(const trim_command&, journal::place);
  effect on(const expire_producers_command&, journal::place);
  effect on(const relocated_command&, journal::place batch);
  effect on(const commit_positions_command&, journal::place);
  effect on(const delete_group_command&, journal::place);
  effect on(const compacted_command&, journal::place batch);
  effect on(const expire_tombstones_command&, journal::place);
  effect on(const commit_command&, journal::place batches);
  effect on(const expire_committers_command&, journal::place);
  effect on(const expire_named_producers_command&, journal::place);
  effect on(const create_queue_command&, journal::place);
  effect on(const alter_queue_command&, journal::place);
  effect on(const delete_queue_command&, journal::place);
  effect on(const settle_command&, journal::place);
  effect on(const unpark_queue_command&, journal::place);
  effect on(const purge_queue_command&, journal::place);
  effect on(const fire_command&, journal::place);

  // ---- named producers (state_machine_producers.cpp) ----
  effect give_name(const init_producer_command&);
  producer_id new_producer_id();
  // Why the holder of a named producer's id and epoch may not go on; nothing for one without a name.
  failure fenced(producer_id by, producer_epoch epoch) const;
  void note_use(producer_id by, timestamp now);

  // What the earlier appends of a commit will have changed once the commit takes effect.
  struct staged;
  failure wrong_target(const append_command&) const;
  failure limits_broken(const append_command&, const state::topic_row&, const state::partition_row&,
                        const staged*) const;
  // Says the version of the key, too.
  failure version_conflict(const append_command&, const staged*, std::uint64_t& version) const;
  bool refuses(const commit_command&, effect& outcome) const;
  void remember(const commit_command&, const effect& outcome);
  void forget_commits(producer_id by, std::uint64_t before, std::optional<std::uint64_t> newest);
  std::optional<offset> known_message(const append_command&) const;
  // Stores a batch, or parks it, and fills in what came of it.
  void take_in(const append_command&, journal::place batch, committed_append& done,
               std::optional<timestamp>& earliest_due);
  // Returns the version of the last record's key; 0 in a topic without an index. Age counts from `age_from`.
  std::uint64_t store_batch(const append_command&, journal::place batch, state::partition_row&,
                            timestamp age_from);
  void add_partitions(topic_id topic, std::uint32_t from, std::uint32_t to);
  void drop_superseded(const state::batch_key& batch, state::batch_row row);
  void free_place(const journal::place& at);
  void drop_index_row(const state::batch_key& key, const state::batch_row& row);
  std::size_t collect_batches(const state::partition_key& of, std::size_t rows_max);
  std::size_t collect_producers(const state::partition_key& of, std::size_t rows_max);

  // ---- timers (state_machine_timers.cpp) ----
  using parked = std::pair<state::timer_key, state::timer_row>;
  std::optional<parked> named_timer(const state::timer_name_key& name) const;
  // Notes which of them it cancels.
  bool refuses_timers(const commit_command&, staged&, effect& outcome) const;
  // Notes that an append replaces the timer of its name, if there is one.
  void replace_timer(const append_command&, staged&) const;
  void change_timer(const timer_change&, std::optional<timestamp>& earliest_due);
  void park(const append_command&, journal::place batch);
  void drop_timer(const state::timer_key& key, const state::timer_row& row);
  std::size_t collect_timers(const state::partition_key& of, std::size_t rows_max);

  state::tables& tables_;
  position_sweep position_sweep_;  // of the topic whose garbage is being cleared
  record_index index_;
  std::map<std::string, topic_id, std::less<>> by_name_;               // follows from tables_.topics
  std::map<std::string, producer_id, std::less<>> producers_by_name_;  // follows from tables_.named_producers
  queue_state queues_;
};

}  // namespace skald::shard
