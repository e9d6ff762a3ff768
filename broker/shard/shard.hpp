// A shard: some partitions with one journal, one state and one writer.
//
//   request -> command -> commit log (fsync; a quorum, once replicated) -> apply -> state + effects
//
// The shard turns requests into commands, hands them to the commit log, and applies each committed command to
// the state in order. Everything a command depends on (expected sequences, limits, whether its topic still
// exists) is decided when it is *applied*, from the command and the state alone: so every replica decides the
// same, nothing speculative has to be undone when leadership is lost, and a refused command is merely an
// entry without effect. Offsets are assigned by apply; stored batches keep the bytes they came with, and
// whoever serves one patches the base offset in.
//
// Threading: everything here is called on the shard's executor, and completions and watchers run on it,
// unless noted. Nothing blocks but the constructor, which replays the journal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/buffer.hpp"
#include "broker/base/clock.hpp"
#include "broker/base/disk.hpp"
#include "broker/base/executor.hpp"
#include "broker/journal/journal.hpp"
#include "broker/shard/queue_commands.hpp"
#include "broker/state/store.hpp"
#include "broker/state/topic_settings.hpp"
#include "skald/protocol/error.hpp"
#include "skald/protocol/topic_pattern.hpp"
#include "skald/protocol/types.hpp"

namespace skald::shard {

class queue_state;

using state::topic_cleanup;
using state::topic_index;
using state::topic_settings;
using state::unlimited;

// What alter changes; absent means as it is. The number of partitions may only grow.
struct topic_changes {
  std::optional<std::uint32_t> partitions{};
  std::optional<std::int64_t> retention_bytes{};
  std::optional<std::int64_t> retention_ms{};
  std::optional<std::int64_t> bytes_max{};
  std::optional<std::uint32_t> record_bytes_max{};
  std::optional<std::uint32_t> batch_bytes_max{};
  std::optional<topic_cleanup> cleanup{};
  std::optional<std::int64_t> compact_after_ms{};
  std::optional<std::int64_t> keep_tombstones_ms{};
};
// The settings as they are after these changes.
topic_settings changed(topic_settings from, const topic_changes& by);

struct partition_info {
  partition_id partition;
  offset log_start;
  offset end;  // the high watermark: records before it are committed
  std::uint64_t bytes = 0;
};

struct topic_info {
  std::string name;
  topic_id id;
  timestamp created;
  topic_settings settings;
  std::vector<partition_info> partitions;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
};

// The outcome of a request that can fail with an operating error.
struct failure {
  errc code = errc::ok;
  std::string message;
  explicit operator bool() const { return code != errc::ok; }
};

// A time, or how long from when the shard gets to it; not both.
struct due_time {
  std::optional<timestamp> at{};
  std::optional<std::chrono::milliseconds> after{};
  explicit operator bool() const { return at || after; }
};

// What an append may ask for beyond being stored: all but `ttl` of the only record of its batch.
struct append_conditions {
  std::optional<std::uint64_t> expected_version{};  // of its key, before this; 0: the key has no record
  std::string message_id{};                         // empty: none
  due_time due{};  // it is appended then; until then it has no offset, and nobody reads it
  // While it waits it can be listed, moved and cancelled by that name, and setting a timer of the same owner
  // and name replaces it. Empty: it has no name.
  std::string timer_owner{};
  std::string timer_name{};
  std::optional<std::chrono::milliseconds> ttl{};  // that long after it is appended, nobody is given it
};

// One batch to append. The caller has checked it (batch_view::check) and says what it found, so that neither
// apply nor a replay looks inside the batch again.
struct append_request {
  std::string topic;
  partition_id partition;
  // Instead of `partition`: the murmur2 of the first record's key, without its sign bit.
  std::optional<std::uint32_t> key_hash{};
  slice batch;
  std::uint32_t records = 0;
  std::uint32_t record_bytes_largest = 0;
  timestamp timestamp_max;
  std::optional<producer_id> producer;  // absent: not idempotent
  producer_epoch epoch;
  std::int32_t base_sequence = -1;
  std::shared_ptr<const append_conditions> conditions{};  // null: none
};

// A producer asks for an identity.
struct producer_request {
  std::string name{};  // valid; empty: an identity that is nobody else's
  // The holder of the name asks for its next epoch, unless another has taken the name over. Asked again, it
  // gets the same.
  std::optional<state::producer_identity> renews{};
};

struct append_result {
  failure why;                        // ok unless refused
  std::optional<offset> base_offset;  // absent with durability::memory, and while the record waits
  bool duplicate = false;
  // In a topic with an index of keys: the version of the last record's key now; with version_conflict, the
  // version that it is at.
  std::uint64_t version = 0;
  partition_id partition;
  std::uint32_t partitions = 0;
};

// Which part of a commit a refusal is about.
struct commit_part {
  enum class kind : std::uint8_t { whole, append, settlement, timer, position };
  kind what = kind::whole;
  std::uint32_t index = 0;
};

// Cancels a named timer, or moves it to another time.
struct timer_request {
  std::string owner;
  std::string name;
  due_time move_to{};      // without: it is cancelled
  bool if_exists = false;  // else unknown_timer when it has fired, was cancelled, or was never set
};

struct timer_info {
  std::string owner;
  std::string name;
  timestamp due;
  std::string topic;
  partition_id partition;
  std::uint32_t bytes = 0;
};

struct group_position {
  state::partition_key of;
  offset next;  // of the record that the group reads next
};
struct group_positions {
  std::string group;
  std::vector<group_position> positions;
};

// Changes that take effect together or not at all: first those of timers, then the appends. With a producer,
// sent again it is recognised, as long as it is among the last state::commit_row::remembered_max of that
// producer.
struct commit_request {
  std::vector<append_request> appends;  // their batches are slices of `batches`, one after the other
  slice batches;
  std::optional<producer_id> producer;
  producer_epoch epoch;
  std::uint64_t sequence = 0;
  // Records of queues. Who may settle them has been checked by the caller, who knows the leases.
  std::vector<queue_range> settled{};
  std::vector<timer_request> timers{};
  // Where groups go on; none of them goes back. Who may say so has been checked by the caller, who knows the
  // members.
  std::vector<group_positions> positions{};
};

struct commit_result {
  failure why;  // ok unless refused
  commit_part refused;
  std::uint64_t version = 0;             // with version_conflict: what the key is at
  bool duplicate = false;                // it had been made before, and this is what came of it then
  std::vector<append_result> appends{};  // of a commit that took effect
};

// Where one stored batch lies. The reader patches base_offset into its bytes.
struct stored_batch {
  offset base_offset;
  std::uint32_t records = 0;  // offsets it stands for; after compaction it may hold fewer records
  std::uint32_t leader_epoch = 0;
  journal::place at;
};

// What to read to serve a partition from an offset. The pins keep the segments readable.
struct read_plan {
  failure why;                        // offset_out_of_range, unknown_topic, unknown_partition
  std::vector<stored_batch> batches;  // in order; unless nothing is left of it, the first contains `from`
  std::vector<std::pair<journal::generation, journal::segment_pin>> pins;
  offset high_watermark;
  offset log_start;
  offset next;  // where to go on: what has expired or was compacted away is left out, also at the end
};

// What to read for the records of one key. Records of one batch may be far apart: each is named.
struct key_plan {
  read_plan plan;  // its `why`: unknown_topic, unknown_partition, not_indexed, unknown_key; each batch once
  struct record {
    std::uint64_t version = 0;
    offset at;
    std::size_t batch = 0;  // which of plan.batches it is in
  };
  std::vector<record> records;
  std::uint64_t version = 0;  // the key's newest
};

struct key_listing {
  failure why;  // as a key_plan's, but for unknown_key
  struct key {
    std::string key;
    std::uint64_t version = 0;
    offset latest;
  };
  std::vector<key> keys;
  bool more = false;  // ask again, after the last
};

// What became of a topic.
struct topic_change {
  enum class kind : std::uint8_t { created, grew, deleted } what = kind::created;
  topic_id topic;
  std::string name;              // unless it was deleted
  std::uint32_t partitions = 0;  // now
};

// Told once, on the shard's executor, when a partition has records at or after the awaited offset, or its
// topic is gone. It must be cancelled before it is destroyed.
class watcher {
 public:
  virtual void on_readable() = 0;

 protected:
  ~watcher() = default;
};

struct options {
  std::filesystem::path directory;              // journal/ and state/ are made in it
  journal::options journal;                     // its directory is set by the shard
  std::uint64_t replay_bytes_max = 256u << 20;  // flush the state so that a restart replays no more
  std::uint64_t state_map_bytes = 64ull << 30;  // address space reserved for LMDB
  std::chrono::milliseconds retention_interval{1000};
  std::chrono::hours producer_expiry{24 * 7};
  std::uint32_t partitions_max = 100'000;  // of all topics together
  std::uint32_t queues_max = 100'000;      // likewise
  std::uint32_t named_producers_max = 100'000;
  // Told, on the shard's executor, what an operator should know and nobody asked for: a batch that has
  // rotted, a full disk and its relief. May be empty.
  std::function<void(const std::string&)> warn;
};

struct statistics {
  journal::statistics journal;
  std::uint64_t live_bytes = 0;
  std::uint64_t replay_bytes = 0;  // what a restart now would replay
  std::uint32_t topics = 0;
  std::uint32_t partitions = 0;
  std::uint64_t records_appended = 0;  // since the start
  std::uint64_t bytes_appended = 0;
};

// Runs what blocks: writing the state, reading batches that are to be moved.
class background {
 public:
  virtual ~background() = default;
  // Any thread. Tasks run one after another, in the order posted.
  virtual void post(std::function<void()> task) = 0;
};

// What a simulation puts in place of a shard's own; see the journal's driven_by.
struct parts {
  state::store& store;
  background& worker;
  journal::driven_by driver = journal::driven_by::step;
};

class shard {
 public:
  // Opens or creates the shard and replays its journal, on the calling thread. Throws skald::error:
  // storage_corrupt, storage_error, or unsupported_version for a newer format.
  // `fatal` is called, from any thread, with the reason when the process must end.
  shard(options with, disk& on, wall_clock& clock, executor& runs_on,
        std::function<void(const std::string&)> fatal);
  // The same over a store and a worker that outlive it. With driven_by::step, step_journal() moves the
  // journal.
  shard(options with, disk& on, wall_clock& clock, executor& runs_on,
        std::function<void(const std::string&)> fatal, parts simulated);
  // Without a stop() before it, it is like a crash: what was not acknowledged may or may not be stored.
  ~shard();
  shard(const shard&) = delete;
  shard& operator=(const shard&) = delete;

  void start();
  // Refuses new requests with shutting_down, finishes what was accepted, flushes the state, then calls
  // `done`.
  void stop(std::function<void()> done);

  // ---- topics ----
  using topic_done = std::function<void(failure, topic_info)>;
  void create_topic(std::string name, topic_settings settings, bool if_absent, topic_done done);
  void alter_topic(std::string_view name, topic_changes changes, topic_done done);
  void delete_topic(std::string_view name, std::function<void(failure)> done);
  std::optional<topic_info> describe_topic(std::string_view name) const;
  // In order of name, those greater than `after`; without their partitions.
  std::vector<topic_info> list_topics(std::string_view after, std::size_t limit, bool& more) const;

  // ---- publishing ----
  using append_done = std::function<void(std::vector<append_result>)>;
  // Appends each batch, independently, in order; calls `done` once, when all are as durable as asked.
  // `achieved` is what was asked, or more.
  void append(std::vector<append_request> batches, durability wanted, append_done done);
  // Fails with fenced_producer when the name is not the renewing producer's any more, or overloaded when
  // there are too many names. From the moment it is done, whoever had the name before is fenced.
  using producer_done = std::function<void(failure, producer_id, producer_epoch)>;
  void init_producer(producer_request what, producer_done done);
  using commit_done = std::function<void(commit_result)>;
  // One entry of the journal, hence one atomic change. The topics of all appends are of this shard.
  void commit(commit_request what, commit_done done);
  // What came of a commit that was made before, or why it can no longer be made; nothing when it can. Commits
  // on their way through the journal are not known yet.
  std::optional<commit_result> find_commit(producer_id by, producer_epoch epoch,
                                           std::uint64_t sequence) const;
  // The named timers that wait, in order of owner and name, whose owner begins with `owner_prefix`, after the
  // one with `after_owner` and `after_name`.
  std::vector<timer_info> list_timers(std::string_view owner_prefix, std::string_view after_owner,
                                      std::string_view after_name, std::size_t limit, bool& more) const;

  // ---- queues ----
  using failure_done = std::function<void(failure)>;
  using queue_done = std::function<void(failure, queue_id)>;
  // What is known of queues and their records.
  const queue_state& queues() const;
  void create_queue(std::string_view topic, std::string name, queue_settings settings, bool if_absent,
                    bool from_end, queue_done done);
  void alter_queue(queue_id queue, queue_settings settings, failure_done done);
  void delete_queue(queue_id queue, failure_done done);
  // Who may settle what has been checked by the caller, who knows the leases.
  void settle(settle_command what, failure_done done);
  // Makes due at `now` what is parked until later.
  void unpark_queue(queue_id queue, timestamp now, failure_done done);
  void purge_queue(queue_id queue, failure_done done);

  struct partition_ref {
    topic_id topic;
    partition_id partition;
    friend auto operator<=>(const partition_ref&, const partition_ref&) = default;
  };
  struct resolved_topic {
    topic_id id;
    std::uint32_t partitions = 0;
    std::string name;
  };

  // ---- consumer groups ----
  struct position {
    partition_ref of;
    offset next;
    timestamp committed;
  };
  // All or nothing; `done` is called once they are durable, or with unknown_topic, unknown_partition,
  // offset_out_of_range.
  void commit_positions(std::string group, const std::vector<position>& positions,
                        std::function<void(failure)> done);
  // Forgets them; fails with unknown_group when there are none.
  void delete_positions(std::string group, std::function<void(failure)> done);
  std::optional<offset> group_position(const std::string& group, partition_ref of) const;
  // At most `limit`, in order of partition, those at or after `from`.
  std::vector<position> group_positions(const std::string& group, partition_ref from,
                                        std::size_t limit) const;
  // Groups that have positions, in order of name, those greater than `after`.
  std::vector<std::string> groups(std::string after, std::size_t limit) const;

  // ---- reading ----
  std::optional<resolved_topic> find_topic(std::string_view name) const;
  // All that match, in order of name.
  std::vector<resolved_topic> find_topics(const protocol::topic_pattern& like) const;
  std::optional<std::string> name_of(topic_id topic) const;
  // Without its partitions; an empty name when there is no such topic.
  topic_info topic(topic_id id) const;
  std::optional<partition_info> partition(partition_ref of) const;
  // At least one batch when there is one at or after `from`, else as many as fit bytes_max. An empty plan
  // without a failure means that there is nothing to read before its `next`; see that.
  enum class expired : std::uint8_t { left_out, included };
  read_plan plan_read(partition_ref of, offset from, std::uint64_t bytes_max,
                      expired records = expired::left_out) const;
  // The batch that holds the first record with that timestamp or later; empty plan: there is none. The caller
  // looks inside for the record.
  read_plan plan_find(partition_ref of, timestamp at) const;
  // The batches that hold the records of a key with versions from `from_version` on, at most `limit` records;
  // what is not kept any more is passed over. `limit` 0 asks for the newest record alone.
  key_plan plan_key(partition_ref of, std::string_view key, std::uint64_t from_version,
                    std::size_t limit) const;
  // The keys of one partition that begin with `prefix` and come after `after`, in byte order; without those
  // whose newest record is a tombstone.
  key_listing list_keys(partition_ref of, std::string_view prefix, std::string_view after,
                        std::size_t limit) const;
  void watch(partition_ref of, offset from, watcher& who);
  void unwatch(partition_ref of, watcher& who);
  // Has `tell` called, on the shard's executor, when a topic is created, grows or is deleted, before whoever
  // asked for it is answered. A topic that was there already may be told of again. One teller at a time.
  void watch_topics(std::function<void(const topic_change&)> tell);

  // See journal::step().
  bool step_journal();
  // What replaying found, for the log.
  const journal::recovery_report& recovery() const;

  statistics stats() const;
  // Bytes accepted and not yet durable; any thread.
  std::uint64_t queued_bytes() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace skald::shard
