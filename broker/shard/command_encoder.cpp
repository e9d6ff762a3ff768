#include <flatbuffers/flatbuffers.h>

#include <cstring>

#include "broker/shard/command.hpp"
#include "broker/shard/command_head.hpp"
#include "command_generated.h"

namespace skald::shard {

namespace {

using flatbuffers::FlatBufferBuilder;
using any_offset = std::pair<fb::Command, flatbuffers::Offset<void>>;

template <class Table>
any_offset as_any(flatbuffers::Offset<Table> table) {
  return {fb::Command(fb::CommandTraits<Table>::enum_value), table.Union()};
}

std::optional<std::uint64_t> number_of(const std::optional<producer_id>& producer) {
  return producer ? std::optional(producer->value()) : std::nullopt;
}

flatbuffers::Offset<fb::Append> write_append(FlatBufferBuilder& to, const append_command& c) {
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::RecordKey>>> keys;
  flatbuffers::Offset<flatbuffers::String> message_id;
  flatbuffers::Offset<flatbuffers::String> timer_owner;
  flatbuffers::Offset<flatbuffers::String> timer_name;
  std::optional<std::uint64_t> expected_version;
  std::optional<std::int64_t> due;
  std::int64_t ttl_ms = unlimited;
  if (c.terms != nullptr) {
    std::vector<flatbuffers::Offset<fb::RecordKey>> each;
    each.reserve(c.terms->keys.size());
    for (const append_terms::record_key& one : c.terms->keys)
      each.push_back(fb::CreateRecordKey(to, to.CreateString(one.key), one.tombstone));
    if (!each.empty()) keys = to.CreateVector(each);
    if (!c.terms->message_id.empty()) message_id = to.CreateString(c.terms->message_id);
    expected_version = c.terms->expected_version;
    if (c.terms->due) due = ms(*c.terms->due);
    if (!c.terms->timer_owner.empty()) timer_owner = to.CreateString(c.terms->timer_owner);
    if (!c.terms->timer_name.empty()) timer_name = to.CreateString(c.terms->timer_name);
    ttl_ms = c.terms->ttl_ms;
  }
  return fb::CreateAppend(to, c.to.topic.value(), c.to.partition.value(), c.records, c.batch_bytes,
                          c.record_bytes_largest, ms(c.timestamp_max), ms(c.now), number_of(c.producer),
                          c.epoch.value(), c.base_sequence, keys, expected_version, message_id, due,
                          timer_owner, timer_name, ttl_ms);
}
any_offset write(FlatBufferBuilder& to, const append_command& c) {
  return as_any(write_append(to, c));
}
fb::QueueRange as_struct(const queue_range& range) {
  return {range.queue.value(), range.partition.value(), range.first.value(), range.end.value()};
}
auto write_ranges(FlatBufferBuilder& to, const std::vector<queue_range>& ranges) {
  fb::QueueRange* into = nullptr;
  const auto written = to.CreateUninitializedVectorOfStructs<fb::QueueRange>(ranges.size(), &into);
  for (std::size_t i = 0; i < ranges.size(); ++i) into[i] = as_struct(ranges[i]);
  return written;
}
flatbuffers::Offset<fb::TimerChange> write_change(FlatBufferBuilder& to, const timer_change& c) {
  flatbuffers::Offset<flatbuffers::String> owner;
  if (!c.of.owner.empty()) owner = to.CreateString(c.of.owner);
  const auto name = to.CreateString(c.of.name);
  return fb::CreateTimerChange(to, static_cast<fb::TimerChangeKind>(c.what), owner, name, ms(c.due),
                               c.if_exists);
}
flatbuffers::Offset<fb::GroupPositions> write(FlatBufferBuilder& to, const group_positions& of) {
  const auto group = to.CreateString(of.group);
  std::vector<fb::Position> list;
  list.reserve(of.positions.size());
  for (const group_position& one : of.positions) {
    list.emplace_back(one.of.topic.value(), one.of.partition.value(), one.next.value());
  }
  return fb::CreateGroupPositions(to, group, to.CreateVectorOfStructs(list));
}
any_offset write(FlatBufferBuilder& to, const commit_command& c) {
  std::vector<flatbuffers::Offset<fb::Append>> appends;
  appends.reserve(c.appends.size());
  for (const append_command& one : c.appends) appends.push_back(write_append(to, one));
  const auto settled = write_ranges(to, c.settled);
  std::vector<flatbuffers::Offset<fb::TimerChange>> changes;
  changes.reserve(c.timers.size());
  for (const timer_change& one : c.timers) changes.push_back(write_change(to, one));
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::TimerChange>>> timers;
  if (!changes.empty()) timers = to.CreateVector(changes);
  std::vector<flatbuffers::Offset<fb::GroupPositions>> moved;
  moved.reserve(c.positions.size());
  for (const group_positions& one : c.positions) moved.push_back(write(to, one));
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::GroupPositions>>> positions;
  if (!moved.empty()) positions = to.CreateVector(moved);
  return as_any(fb::CreateCommit(to, to.CreateVector(appends), ms(c.now), number_of(c.producer),
                                 c.epoch.value(), c.sequence, settled, timers, positions));
}
any_offset write(FlatBufferBuilder& to, const fire_command& c) {
  std::vector<fb::TimerKey> timers;
  timers.reserve(c.timers.size());
  for (const state::timer_key& one : c.timers) timers.emplace_back(ms(one.due), one.id);
  return as_any(fb::CreateFire(to, to.CreateVectorOfStructs(timers), ms(c.now)));
}
any_offset write(FlatBufferBuilder& to, const create_topic_command& c) {
  const topic_settings& with = c.settings;
  const auto name = to.CreateString(c.name);
  const auto settings = fb::CreateSettings(
      to, with.partitions, with.retention_bytes, with.retention_ms, with.bytes_max, with.record_bytes_max,
      with.batch_bytes_max, static_cast<std::uint8_t>(with.index), static_cast<std::uint8_t>(with.cleanup),
      with.compact_after_ms, with.keep_tombstones_ms);
  return as_any(fb::CreateCreateTopic(to, name, settings, c.if_absent, ms(c.now), c.partitions_max));
}
any_offset write(FlatBufferBuilder& to, const alter_topic_command& c) {
  const topic_changes& of = c.changes;
  std::optional<std::uint8_t> cleanup;
  if (of.cleanup) cleanup = static_cast<std::uint8_t>(*of.cleanup);
  const auto changes = fb::CreateChanges(to, of.partitions, of.retention_bytes, of.retention_ms, of.bytes_max,
                                         of.record_bytes_max, of.batch_bytes_max, cleanup,
                                         of.compact_after_ms, of.keep_tombstones_ms);
  return as_any(fb::CreateAlterTopic(to, c.topic.value(), changes, c.partitions_max));
}
any_offset write(FlatBufferBuilder& to, const delete_topic_command& c) {
  return as_any(fb::CreateDeleteTopic(to, c.topic.value()));
}
any_offset write(FlatBufferBuilder& to, const init_producer_command& c) {
  if (c.name.empty()) return as_any(fb::CreateInitProducer(to));
  const auto name = to.CreateString(c.name);
  fb::ProducerIdentity renews;
  if (c.renews) renews = {c.renews->id.value(), c.renews->epoch.value()};
  return as_any(fb::CreateInitNamedProducer(to, name, ms(c.now), c.renews ? &renews : nullptr, c.names_max));
}
any_offset write(FlatBufferBuilder& to, const trim_command& c) {
  return as_any(fb::CreateTrim(to, c.of.topic.value(), c.of.partition.value(), c.log_start.value()));
}
fb::ProducerKey as_struct(const state::producer_key& key) {
  return {key.on.topic.value(), key.on.partition.value(), key.producer.value()};
}
any_offset write(FlatBufferBuilder& to, const expire_producers_command& c) {
  const fb::ProducerKey first = as_struct(c.first);
  const fb::ProducerKey last = as_struct(c.last);
  return as_any(fb::CreateExpireProducers(to, ms(c.cutoff), &first, &last));
}
any_offset write(FlatBufferBuilder& to, const expire_committers_command& c) {
  return as_any(fb::CreateExpireCommitters(to, ms(c.cutoff), c.first.value(), c.last.value()));
}
any_offset write(FlatBufferBuilder& to, const expire_named_producers_command& c) {
  return as_any(fb::CreateExpireNamedProducers(to, ms(c.cutoff), c.first.value(), c.last.value()));
}
any_offset write(FlatBufferBuilder& to, const relocated_command& c) {
  if (const auto* timer = std::get_if<state::timer_key>(&c.moved.what)) {
    const fb::TimerKey key(ms(timer->due), timer->id);
    return as_any(
        fb::CreateRelocated(to, 0, 0, 0, c.batch_bytes, c.from.segment.value(), c.from.position, &key));
  }
  const auto& batch = std::get<state::batch_key>(c.moved.what);
  return as_any(fb::CreateRelocated(to, batch.of.topic.value(), batch.of.partition.value(),
                                    batch.base.value(), c.batch_bytes, c.from.segment.value(),
                                    c.from.position));
}

any_offset write(FlatBufferBuilder& to, const commit_positions_command& c) {
  const auto positions = write(to, c.positions);
  return as_any(fb::CreateCommitPositions(to, positions, ms(c.now)));
}
any_offset write(FlatBufferBuilder& to, const delete_group_command& c) {
  return as_any(fb::CreateDeleteGroup(to, to.CreateString(c.group)));
}
flatbuffers::Offset<fb::QueueSettings> write_settings(FlatBufferBuilder& to, const queue_settings& with) {
  return fb::CreateQueueSettings(to, with.lease_ms, with.max_attempts, with.backoff_min_ms,
                                 with.backoff_max_ms, with.ordered_by_key, to.CreateString(with.dead_letter));
}
any_offset write(FlatBufferBuilder& to, const create_queue_command& c) {
  const auto name = to.CreateString(c.name);
  return as_any(fb::CreateCreateQueue(to, c.topic.value(), name, write_settings(to, c.settings), c.if_absent,
                                      c.from_end, ms(c.now), c.queues_max));
}
any_offset write(FlatBufferBuilder& to, const alter_queue_command& c) {
  return as_any(fb::CreateAlterQueue(to, c.queue.value(), write_settings(to, c.settings)));
}
any_offset write(FlatBufferBuilder& to, const delete_queue_command& c) {
  return as_any(fb::CreateDeleteQueue(to, c.queue.value()));
}
any_offset write(FlatBufferBuilder& to, const settle_command& c) {
  const auto settled = write_ranges(to, c.settled);
  std::vector<flatbuffers::Offset<fb::Retried>> retried;
  retried.reserve(c.retried.size());
  for (const retried_range& one : c.retried) {
    const fb::QueueRange range = as_struct(one.of);
    retried.push_back(
        fb::CreateRetried(to, &range, one.attempts, ms(one.parked_until), to.CreateString(one.reason)));
  }
  return as_any(fb::CreateSettle(to, settled, to.CreateVector(retried)));
}
any_offset write(FlatBufferBuilder& to, const unpark_queue_command& c) {
  return as_any(fb::CreateUnparkQueue(to, c.queue.value(), ms(c.now)));
}
any_offset write(FlatBufferBuilder& to, const purge_queue_command& c) {
  return as_any(fb::CreatePurgeQueue(to, c.queue.value()));
}
any_offset write(FlatBufferBuilder& to, const compacted_command& c) {
  return as_any(fb::CreateCompacted(to, c.batch.of.topic.value(), c.batch.of.partition.value(),
                                    c.batch.base.value(), c.batch_bytes, c.from.segment.value(),
                                    c.from.position, to.CreateVector(c.kept), ms(c.newest)));
}
any_offset write(FlatBufferBuilder& to, const expire_tombstones_command& c) {
  const auto keys = to.CreateVectorOfStrings(c.keys);
  return as_any(
      fb::CreateExpireTombstones(to, c.of.topic.value(), c.of.partition.value(), ms(c.cutoff), keys));
}

}  // namespace

struct command_encoder::builder {
  FlatBufferBuilder flat{512};
};

command_encoder::command_encoder() : builder_(std::make_unique<builder>()) {}
command_encoder::~command_encoder() = default;

std::vector<std::byte> command_encoder::encode(const command& what) {
  FlatBufferBuilder& flat = builder_->flat;
  flat.Clear();
  const auto [type, table] = std::visit([&](const auto& c) { return write(flat, c); }, what);
  fb::FinishSizePrefixedEntryBuffer(flat, fb::CreateEntry(flat, type, table));
  std::vector<std::byte> head(aligned_head(flat.GetSize()));
  std::memcpy(head.data(), flat.GetBufferPointer(), flat.GetSize());
  return head;
}

}  // namespace skald::shard
