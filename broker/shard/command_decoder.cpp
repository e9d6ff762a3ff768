#include <flatbuffers/flatbuffers.h>

#include <cstring>

#include "broker/shard/command.hpp"
#include "broker/shard/command_head.hpp"
#include "command_generated.h"
#include "protocol/aligned_list.hpp"

namespace skald::shard {

namespace {

[[noreturn]] void corrupt() {
  throw error(errc::storage_corrupt, "a journal entry with a valid checksum holds no valid command");
}

timestamp at_ms(std::int64_t value) {
  return timestamp(std::chrono::milliseconds(value));
}

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
// A list of structs, which are read in place.
template <class Struct>
const auto& in_place(const flatbuffers::Vector<const Struct*>& list) {
  if (!protocol::is_aligned(&list)) corrupt();
  return list;
}

queue_range range_of(const fb::QueueRange& range) {
  return {queue_id(range.queue()), partition_id(range.partition()), offset(range.first()),
          offset(range.end())};
}
std::vector<queue_range> ranges_of(const flatbuffers::Vector<const fb::QueueRange*>* list) {
  std::vector<queue_range> ranges;
  if (list == nullptr) return ranges;
  ranges.reserve(list->size());
  for (const fb::QueueRange* const one : in_place(*list)) ranges.push_back(range_of(*one));
  return ranges;
}
group_positions read(const fb::GroupPositions& t) {
  group_positions positions{.group = t.group()->str(), .positions = {}};
  positions.positions.reserve(t.positions()->size());
  for (const fb::Position* const one : in_place(*t.positions())) {
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
    for (const fb::TimerKey* one : in_place(*t.timers()))
      fire.timers.push_back({at_ms(one->due_ms()), one->id()});
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
init_producer_command read(const fb::InitNamedProducer& t) {
  init_producer_command c{
      .name = t.name()->str(), .now = at_ms(t.now_ms()), .renews = {}, .names_max = t.names_max()};
  if (const fb::ProducerIdentity* renews = t.renews())
    c.renews = {producer_id(renews->producer()), producer_epoch(renews->epoch())};
  if (c.name.empty()) corrupt();
  return c;
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
expire_named_producers_command read(const fb::ExpireNamedProducers& t) {
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
    case fb::Command::InitNamedProducer:
      return read(*entry.command_as_InitNamedProducer());
    case fb::Command::ExpireNamedProducers:
      return read(*entry.command_as_ExpireNamedProducers());
    case fb::Command::NONE:
      corrupt();
  }
  throw error(errc::unsupported_version,
              "the journal holds a command of kind " +
                  std::to_string(static_cast<int>(entry.command_type())) +
                  ", which this program does not know: use the newer skaldd that wrote it");
}

}  // namespace

decoded_command decode_command(std::span<const std::byte> payload) {
  std::uint32_t length = 0;
  if (payload.size() < sizeof(length)) corrupt();
  std::memcpy(&length, payload.data(), sizeof(length));
  const std::size_t flat_bytes = flatbuffers::EndianScalar(length) + sizeof(length);
  if (aligned_head(flat_bytes) > payload.size()) corrupt();

  // FlatBuffers are read in place, which takes an aligned place.
  std::vector<std::uint64_t> copy;
  const auto* flat = reinterpret_cast<const std::uint8_t*>(payload.data());
  if (reinterpret_cast<std::uintptr_t>(flat) % head_alignment != 0) {
    copy.resize(aligned_head(flat_bytes) / sizeof(std::uint64_t));
    std::memcpy(copy.data(), flat, flat_bytes);
    flat = reinterpret_cast<const std::uint8_t*>(copy.data());
  }
  // A batch has a table for each of its keys, as many as fit.
  constexpr flatbuffers::uoffset_t depth_max = 64;
  const auto tables_max = static_cast<flatbuffers::uoffset_t>(flat_bytes);
  flatbuffers::Verifier verifier(flat, flat_bytes, depth_max, tables_max);
  if (!fb::VerifySizePrefixedEntryBuffer(verifier)) corrupt();
  const fb::Entry& entry = *fb::GetSizePrefixedEntry(flat);
  if (entry.command_type() != fb::Command::NONE && entry.command() == nullptr) corrupt();
  return {read(entry), static_cast<std::uint32_t>(aligned_head(flat_bytes))};
}

}  // namespace skald::shard
