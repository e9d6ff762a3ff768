#include "broker/shard/command.hpp"

#include <flatbuffers/flatbuffers.h>

#include <cstring>

#include "command_generated.h"

namespace skald::shard {

namespace {

constexpr std::size_t head_alignment = 8;

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + head_alignment - 1) / head_alignment * head_alignment;
}

std::int64_t ms(timestamp at) {
  return at.time_since_epoch().count();
}
timestamp at_ms(std::int64_t value) {
  return timestamp(std::chrono::milliseconds(value));
}

// ---- writing ----

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
any_offset write(FlatBufferBuilder& to, const init_producer_command&) {
  return as_any(fb::CreateInitProducer(to));
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

// ---- reading ----

state::partition_key partition_of(const auto& table) {
  return {topic_id(table.topic()), partition_id(table.partition())};
}

std::shared_ptr<const append_terms> terms_of(const fb::Append& t) {
  const bool plain = t.keys() == nullptr && !t.expected_version().has_value() && t.message_id() == nullptr;
  if (plain && !t.due_ms().has_value() && t.ttl_ms() == unlimited) return nullptr;
  auto terms = std::make_shared<append_terms>();
  if (t.keys() != nullptr) {
    terms->keys.reserve(t.keys()->size());
    for (const fb::RecordKey* one : *t.keys()) terms->keys.push_back({one->key()->str(), one->tombstone()});
  }
  terms->expected_version = t.expected_version();
  if (t.message_id() != nullptr) terms->message_id = t.message_id()->str();
  if (const auto due = t.due_ms()) terms->due = at_ms(*due);
  if (t.timer_owner() != nullptr) terms->timer_owner = t.timer_owner()->str();
  if (t.timer_name() != nullptr) terms->timer_name = t.timer_name()->str();
  terms->ttl_ms = t.ttl_ms();
  return terms;
}

append_command read(const fb::Append& t) {
  const auto producer = t.producer();
  return {.to = partition_of(t),
          .records = t.records(),
          .batch_bytes = t.batch_bytes(),
          .record_bytes_largest = t.record_bytes_largest(),
          .timestamp_max = at_ms(t.timestamp_max()),
          .now = at_ms(t.now_ms()),
          .producer = producer ? std::optional(producer_id(*producer)) : std::nullopt,
          .epoch = producer_epoch(t.producer_epoch()),
          .base_sequence = t.base_sequence(),
          .terms = terms_of(t)};
}
queue_range range_of(const fb::QueueRange& range) {
  return {queue_id(range.queue()), partition_id(range.partition()), offset(range.first()),
          offset(range.end())};
}
std::vector<queue_range> ranges_of(const flatbuffers::Vector<const fb::QueueRange*>* list) {
  std::vector<queue_range> ranges;
  if (list == nullptr) return ranges;
  ranges.reserve(list->size());
  for (const fb::QueueRange* const one : *list) ranges.push_back(range_of(*one));
  return ranges;
}
group_positions read(const fb::GroupPositions& t) {
  group_positions positions{.group = t.group()->str(), .positions = {}};
  positions.positions.reserve(t.positions()->size());
  for (const fb::Position* const one : *t.positions()) {
    positions.positions.push_back({partition_of(*one), offset(one->next())});
  }
  return positions;
}
commit_command read(const fb::Commit& t) {
  commit_command commit{.appends = {},
                        .now = at_ms(t.now_ms()),
                        .producer = {},
                        .epoch = producer_epoch(t.producer_epoch()),
                        .sequence = t.sequence()};
  if (const auto producer = t.producer()) commit.producer = producer_id(*producer);
  if (t.appends() != nullptr)
    for (const fb::Append* one : *t.appends()) commit.appends.push_back(read(*one));
  commit.settled = ranges_of(t.settled());
  if (t.timers() != nullptr)
    for (const fb::TimerChange* one : *t.timers()) {
      const std::string owner = one->owner() == nullptr ? std::string() : one->owner()->str();
      commit.timers.push_back({.what = static_cast<timer_change::kind>(one->kind()),
                               .of = {owner, one->name()->str()},
                               .due = at_ms(one->due_ms()),
                               .if_exists = one->if_exists()});
    }
  if (t.positions() != nullptr)
    for (const fb::GroupPositions* one : *t.positions()) commit.positions.push_back(read(*one));
  return commit;
}
fire_command read(const fb::Fire& t) {
  fire_command fire{.timers = {}, .now = at_ms(t.now_ms())};
  if (t.timers() != nullptr) {
    fire.timers.reserve(t.timers()->size());
    for (const fb::TimerKey* one : *t.timers()) fire.timers.push_back({at_ms(one->due_ms()), one->id()});
  }
  return fire;
}
create_topic_command read(const fb::CreateTopic& t) {
  const fb::Settings& s = *t.settings();
  return {.name = t.name()->str(),
          .settings = {.partitions = s.partitions(),
                       .retention_bytes = s.retention_bytes(),
                       .retention_ms = s.retention_ms(),
                       .bytes_max = s.bytes_max(),
                       .record_bytes_max = s.record_bytes_max(),
                       .batch_bytes_max = s.batch_bytes_max(),
                       .index = static_cast<state::topic_index>(s.index()),
                       .cleanup = static_cast<state::topic_cleanup>(s.cleanup()),
                       .compact_after_ms = s.compact_after_ms(),
                       .keep_tombstones_ms = s.keep_tombstones_ms()},
          .if_absent = t.if_absent(),
          .now = at_ms(t.now_ms()),
          .partitions_max = t.partitions_max()};
}
alter_topic_command read(const fb::AlterTopic& t) {
  const fb::Changes& c = *t.changes();
  std::optional<topic_cleanup> cleanup;
  if (const auto given = c.cleanup()) cleanup = static_cast<topic_cleanup>(*given);
  return {.topic = topic_id(t.topic()),
          .changes = {.partitions = c.partitions(),
                      .retention_bytes = c.retention_bytes(),
                      .retention_ms = c.retention_ms(),
                      .bytes_max = c.bytes_max(),
                      .record_bytes_max = c.record_bytes_max(),
                      .batch_bytes_max = c.batch_bytes_max(),
                      .cleanup = cleanup,
                      .compact_after_ms = c.compact_after_ms(),
                      .keep_tombstones_ms = c.keep_tombstones_ms()},
          .partitions_max = t.partitions_max()};
}
delete_topic_command read(const fb::DeleteTopic& t) {
  return {topic_id(t.topic())};
}
init_producer_command read(const fb::InitProducer&) {
  return {};
}
trim_command read(const fb::Trim& t) {
  return {partition_of(t), offset(t.log_start())};
}
expire_producers_command read(const fb::ExpireProducers& t) {
  const auto key = [](const fb::ProducerKey& k) {
    return state::producer_key{partition_of(k), producer_id(k.producer())};
  };
  return {at_ms(t.cutoff_ms()), key(*t.first()), key(*t.last())};
}
expire_committers_command read(const fb::ExpireCommitters& t) {
  return {at_ms(t.cutoff_ms()), producer_id(t.first()), producer_id(t.last())};
}
relocated_command read(const fb::Relocated& t) {
  const state::place_key from{journal::generation(t.from_segment()), t.from_position()};
  if (const fb::TimerKey* timer = t.timer())
    return {{state::timer_key{at_ms(timer->due_ms()), timer->id()}}, t.batch_bytes(), from};
  return {{state::batch_key{partition_of(t), offset(t.base_offset())}}, t.batch_bytes(), from};
}

commit_positions_command read(const fb::CommitPositions& t) {
  return {read(*t.positions()), at_ms(t.now_ms())};
}
delete_group_command read(const fb::DeleteGroup& t) {
  return {t.group()->str()};
}
std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}
queue_settings settings_of(const fb::QueueSettings& s) {
  return {.lease_ms = s.lease_ms(),
          .max_attempts = s.max_attempts(),
          .backoff_min_ms = s.backoff_min_ms(),
          .backoff_max_ms = s.backoff_max_ms(),
          .ordered_by_key = s.ordered_by_key(),
          .dead_letter = text_of(s.dead_letter())};
}
create_queue_command read(const fb::CreateQueue& t) {
  return {.topic = topic_id(t.topic()),
          .name = t.name()->str(),
          .settings = settings_of(*t.settings()),
          .if_absent = t.if_absent(),
          .from_end = t.from_end(),
          .now = at_ms(t.now_ms()),
          .queues_max = t.queues_max()};
}
alter_queue_command read(const fb::AlterQueue& t) {
  return {queue_id(t.queue()), settings_of(*t.settings())};
}
delete_queue_command read(const fb::DeleteQueue& t) {
  return {queue_id(t.queue())};
}
settle_command read(const fb::Settle& t) {
  settle_command c{ranges_of(t.settled()), {}};
  if (t.retried() == nullptr) return c;
  for (const fb::Retried* const one : *t.retried())
    c.retried.push_back(
        {range_of(*one->of()), one->attempts(), at_ms(one->parked_until_ms()), text_of(one->reason())});
  return c;
}
unpark_queue_command read(const fb::UnparkQueue& t) {
  return {queue_id(t.queue()), at_ms(t.now_ms())};
}
purge_queue_command read(const fb::PurgeQueue& t) {
  return {queue_id(t.queue())};
}

compacted_command read(const fb::Compacted& t) {
  compacted_command compacted{{partition_of(t), offset(t.base_offset())},
                              t.batch_bytes(),
                              {journal::generation(t.from_segment()), t.from_position()},
                              {},
                              at_ms(t.timestamp_max())};
  if (t.kept() != nullptr) compacted.kept.assign(t.kept()->begin(), t.kept()->end());
  return compacted;
}
expire_tombstones_command read(const fb::ExpireTombstones& t) {
  expire_tombstones_command expire{partition_of(t), at_ms(t.cutoff_ms()), {}};
  if (t.keys() != nullptr)
    for (const flatbuffers::String* key : *t.keys()) expire.keys.push_back(key->str());
  return expire;
}

[[noreturn]] void corrupt() {
  throw error(errc::storage_corrupt, "a journal entry with a valid checksum holds no valid command");
}

command read(const fb::Entry& entry) {
  switch (entry.command_type()) {
    case fb::Command::Append:
      return read(*entry.command_as_Append());
    case fb::Command::CreateTopic:
      return read(*entry.command_as_CreateTopic());
    case fb::Command::AlterTopic:
      return read(*entry.command_as_AlterTopic());
    case fb::Command::DeleteTopic:
      return read(*entry.command_as_DeleteTopic());
    case fb::Command::InitProducer:
      return read(*entry.command_as_InitProducer());
    case fb::Command::Trim:
      return read(*entry.command_as_Trim());
    case fb::Command::ExpireProducers:
      return read(*entry.command_as_ExpireProducers());
    case fb::Command::Relocated:
      return read(*entry.command_as_Relocated());
    case fb::Command::Commit:
      return read(*entry.command_as_Commit());
    case fb::Command::ExpireCommitters:
      return read(*entry.command_as_ExpireCommitters());
    case fb::Command::CommitPositions:
      return read(*entry.command_as_CommitPositions());
    case fb::Command::DeleteGroup:
      return read(*entry.command_as_DeleteGroup());
    case fb::Command::CreateQueue:
      return read(*entry.command_as_CreateQueue());
    case fb::Command::AlterQueue:
      return read(*entry.command_as_AlterQueue());
    case fb::Command::DeleteQueue:
      return read(*entry.command_as_DeleteQueue());
    case fb::Command::Settle:
      return read(*entry.command_as_Settle());
    case fb::Command::UnparkQueue:
      return read(*entry.command_as_UnparkQueue());
    case fb::Command::PurgeQueue:
      return read(*entry.command_as_PurgeQueue());
    case fb::Command::Fire:
      return read(*entry.command_as_Fire());
    case fb::Command::Compacted:
      return read(*entry.command_as_Compacted());
    case fb::Command::ExpireTombstones:
      return read(*entry.command_as_ExpireTombstones());
    case fb::Command::NONE:
      corrupt();
  }
  throw error(errc::unsupported_version,
              "the journal holds a command of kind " +
                  std::to_string(static_cast<int>(entry.command_type())) +
                  ", which this program does not know: use the newer skaldd that wrote it");
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
  std::vector<std::byte> head(aligned(flat.GetSize()));
  std::memcpy(head.data(), flat.GetBufferPointer(), flat.GetSize());
  return head;
}

decoded_command decode_command(std::span<const std::byte> payload) {
  std::uint32_t length = 0;
  if (payload.size() < sizeof(length)) corrupt();
  std::memcpy(&length, payload.data(), sizeof(length));
  const std::size_t flat_bytes = flatbuffers::EndianScalar(length) + sizeof(length);
  if (aligned(flat_bytes) > payload.size()) corrupt();

  // FlatBuffers are read in place, which takes an aligned place.
  std::vector<std::uint64_t> copy;
  const auto* flat = reinterpret_cast<const std::uint8_t*>(payload.data());
  if (reinterpret_cast<std::uintptr_t>(flat) % head_alignment != 0) {
    copy.resize(aligned(flat_bytes) / sizeof(std::uint64_t));
    std::memcpy(copy.data(), flat, flat_bytes);
    flat = reinterpret_cast<const std::uint8_t*>(copy.data());
  }
  flatbuffers::Verifier verifier(flat, flat_bytes);
  if (!fb::VerifySizePrefixedEntryBuffer(verifier)) corrupt();
  const fb::Entry& entry = *fb::GetSizePrefixedEntry(flat);
  if (entry.command_type() != fb::Command::NONE && entry.command() == nullptr) corrupt();
  return {read(entry), static_cast<std::uint32_t>(aligned(flat_bytes))};
}

}  // namespace skald::shard
