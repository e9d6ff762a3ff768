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
  std::optional<std::uint64_t> expected_version;
  if (c.terms != nullptr) {
    std::vector<flatbuffers::Offset<fb::RecordKey>> each;
    each.reserve(c.terms->keys.size());
    for (const append_terms::record_key& one : c.terms->keys)
      each.push_back(fb::CreateRecordKey(to, to.CreateString(one.key), one.tombstone));
    if (!each.empty()) keys = to.CreateVector(each);
    if (!c.terms->message_id.empty()) message_id = to.CreateString(c.terms->message_id);
    expected_version = c.terms->expected_version;
  }
  return fb::CreateAppend(to, c.to.topic.value(), c.to.partition.value(), c.records, c.batch_bytes,
                          c.record_bytes_largest, ms(c.timestamp_max), ms(c.now), number_of(c.producer),
                          c.epoch.value(), c.base_sequence, keys, expected_version, message_id);
}
any_offset write(FlatBufferBuilder& to, const append_command& c) {
  return as_any(write_append(to, c));
}
any_offset write(FlatBufferBuilder& to, const commit_command& c) {
  std::vector<flatbuffers::Offset<fb::Append>> appends;
  appends.reserve(c.appends.size());
  for (const append_command& one : c.appends) appends.push_back(write_append(to, one));
  return as_any(fb::CreateCommit(to, to.CreateVector(appends), ms(c.now), number_of(c.producer),
                                 c.epoch.value(), c.sequence));
}
any_offset write(FlatBufferBuilder& to, const create_topic_command& c) {
  const topic_settings& with = c.settings;
  const auto name = to.CreateString(c.name);
  const auto settings = fb::CreateSettings(
      to, with.partitions, with.retention_bytes, with.retention_ms, with.bytes_max, with.record_bytes_max,
      with.batch_bytes_max, static_cast<std::uint8_t>(with.index), static_cast<std::uint8_t>(with.cleanup),
      with.compaction_lag_ms, with.tombstone_retention_ms);
  return as_any(fb::CreateCreateTopic(to, name, settings, c.if_absent, ms(c.now), c.partitions_max));
}
any_offset write(FlatBufferBuilder& to, const alter_topic_command& c) {
  const topic_changes& of = c.changes;
  const auto changes = fb::CreateChanges(to, of.partitions, of.retention_bytes, of.retention_ms, of.bytes_max,
                                         of.record_bytes_max, of.batch_bytes_max);
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
  return as_any(fb::CreateRelocated(to, c.batch.of.topic.value(), c.batch.of.partition.value(),
                                    c.batch.base.value(), c.batch_bytes, c.from.segment.value(),
                                    c.from.position));
}

any_offset write(FlatBufferBuilder& to, const compacted_command& c) {
  return as_any(fb::CreateCompacted(to, c.batch.of.topic.value(), c.batch.of.partition.value(),
                                    c.batch.base.value(), c.batch_bytes, c.from.segment.value(),
                                    c.from.position, to.CreateVector(c.kept)));
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
  if (t.keys() == nullptr && !t.expected_version().has_value() && t.message_id() == nullptr) return nullptr;
  auto terms = std::make_shared<append_terms>();
  if (t.keys() != nullptr) {
    terms->keys.reserve(t.keys()->size());
    for (const fb::RecordKey* one : *t.keys()) terms->keys.push_back({one->key()->str(), one->tombstone()});
  }
  terms->expected_version = t.expected_version();
  if (t.message_id() != nullptr) terms->message_id = t.message_id()->str();
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
commit_command read(const fb::Commit& t) {
  commit_command commit{.appends = {},
                        .now = at_ms(t.now_ms()),
                        .producer = {},
                        .epoch = producer_epoch(t.producer_epoch()),
                        .sequence = t.sequence()};
  if (const auto producer = t.producer()) commit.producer = producer_id(*producer);
  if (t.appends() != nullptr)
    for (const fb::Append* one : *t.appends()) commit.appends.push_back(read(*one));
  return commit;
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
                       .compaction_lag_ms = s.compaction_lag_ms(),
                       .tombstone_retention_ms = s.tombstone_retention_ms()},
          .if_absent = t.if_absent(),
          .now = at_ms(t.now_ms()),
          .partitions_max = t.partitions_max()};
}
alter_topic_command read(const fb::AlterTopic& t) {
  const fb::Changes& c = *t.changes();
  return {.topic = topic_id(t.topic()),
          .changes = {.partitions = c.partitions(),
                      .retention_bytes = c.retention_bytes(),
                      .retention_ms = c.retention_ms(),
                      .bytes_max = c.bytes_max(),
                      .record_bytes_max = c.record_bytes_max(),
                      .batch_bytes_max = c.batch_bytes_max()},
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
  return {{partition_of(t), offset(t.base_offset())},
          t.batch_bytes(),
          {journal::generation(t.from_segment()), t.from_position()}};
}

compacted_command read(const fb::Compacted& t) {
  compacted_command compacted{{partition_of(t), offset(t.base_offset())},
                              t.batch_bytes(),
                              {journal::generation(t.from_segment()), t.from_position()},
                              {}};
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
