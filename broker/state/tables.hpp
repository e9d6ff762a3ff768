// Every table of a shard, and the set of them.
//
// Some tables are *logical*: replicas agree on them. The others are this node's own affair, because where a
// batch lies and when the index of trimmed batches is cleared away differ from node to node:
//
//   table       key                             value                                     logical
//   meta        -                               counters, and the journal point reflected   in part
//   topics      topic                           name, creation, settings                    yes
//   partitions  topic, partition                its bounds, sizes and newest timestamps     yes
//   batches     topic, partition, base offset   one stored batch: where it lies, what it is no
//   places      segment, position               the batch, or timer, that lies there        no
//   producers   topic, partition, producer      the last batches of an idempotent producer  yes
//   segments    segment                         live bytes                                  no
//   garbage     topic, partition                index rows that are to go                   no
//   keys        topic, partition, key           the newest record of the key                in effect
//   key_records topic, partition, key, version  the offset of that record                   in effect
//   message_ids topic, partition, id            the offset of the record with that id       in effect
//   commits     producer, sequence              what came of a commit                       yes
//   committers  producer                        the newest of its commits                   yes
//   group_positions  group, topic, partition    where a consumer group goes on              yes
//   queues      queue                           name, topic, settings                       yes
//   queue_partitions  queue, partition          below what offset all is settled            yes
//   queue_records     queue, partition, offset  settled, tried or parked records above that yes
//   timers      due time, id                    a record that waits, and where it lies      in effect
//   timer_names owner, name                     the timer of that name                      in effect
//   named_producers  producer                   the name it has, and its newest epoch       yes
//
// "In effect": rows whose offset is before the partition's log_start count for nothing, nor do those of older
// records of a key in a compacted topic; a node clears them away, with the batch they belong to, when it
// likes. What they say of records that are kept is logical. Rows of timers count for nothing once their topic
// has been deleted.
//
// A batch is live from the moment it is applied until its row in `batches` goes, or while it waits as a
// timer; the sum of the bytes of live batches in a segment is its row in `segments`. Trimming a partition and
// deleting a topic take effect at once, by `partitions` and `topics`; the index rows become garbage and are
// cleared away in slices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "broker/state/overlay_table.hpp"
#include "broker/state/queue_rows.hpp"
#include "broker/state/resident_table.hpp"
#include "broker/state/rows.hpp"
#include "broker/state/store.hpp"

namespace skald::state {

// A frozen generation of all tables, ready to be written from any thread. It also says what the state will
// be once it is written, for those who give back space then.
struct frozen_tables {
  meta_row meta;
  std::vector<std::pair<journal::generation, std::uint64_t>> live_bytes;  // of each segment, in order
  std::function<void(writer&)> write;
};

class tables {
 public:
  // Loads the resident tables. Throws skald::error: unsupported_version, storage_corrupt, storage_error.
  explicit tables(store& in);
  tables(const tables&) = delete;
  tables& operator=(const tables&) = delete;

  meta_row meta;
  resident_table<topic_id, topic_row> topics{table_id::topics};
  resident_table<partition_key, partition_row> partitions{table_id::partitions};
  overlay_table<batch_key, batch_row> batches;
  overlay_table<place_key, place_row> places;
  overlay_table<producer_key, producer_row> producers;
  resident_table<journal::generation, segment_row> segments{table_id::segments};
  resident_table<partition_key, garbage_row> garbage{table_id::garbage};
  overlay_table<text_key, key_row> keys;
  overlay_table<group_position_key, group_position_row> group_positions;
  overlay_table<key_record_key, offset_row> key_records;
  overlay_table<text_key, offset_row> message_ids;
  overlay_table<commit_key, commit_row> commits;
  overlay_table<producer_id, committer_row> committers;
  resident_table<queue_id, queue_row> queues{table_id::queues};
  resident_table<queue_partition_key, queue_partition_row> queue_partitions{table_id::queue_partitions};
  overlay_table<queue_record_key, queue_record_row> queue_records;
  overlay_table<timer_key, timer_row> timers;
  overlay_table<timer_name_key, timer_name_row> timer_names;
  resident_table<producer_id, named_producer_row> named_producers{table_id::named_producers};

  // Everything changed since the last freeze. Until thaw() says that it has been written, no second freeze.
  frozen_tables freeze();
  void thaw();

  // Rows that a freeze would write: what the changes cost in memory, and how long writing them takes.
  std::size_t changed_rows() const;
};

// For whatever has to look at all rows: calls visit with each row of a stored table.
template <class Key, class Value, class Visitor>
void for_each_row(const store& in, table_id table, Visitor&& visit) {
  const std::unique_ptr<cursor> rows = in.read(table);
  for (bool there = rows->seek_at_or_after({}); there; there = rows->next()) {
    Key key;
    Value value;
    decode(rows->key(), key);
    decode(rows->value(), value);
    visit(key, value);
  }
}

// The meta row of a store; the default, of an empty state, when it has none.
meta_row load_meta(const store& from);

}  // namespace skald::state
