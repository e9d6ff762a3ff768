#include "client/src/topic_codec.hpp"

namespace skald::detail {

namespace {

timestamp time_at(std::int64_t ms) {
  return timestamp(std::chrono::milliseconds(ms));
}

}  // namespace

flatbuffers::Offset<wire::TopicSettings> encode(flatbuffers::FlatBufferBuilder& builder,
                                                const topic_settings& settings) {
  wire::TopicSettingsBuilder encoded(builder);
  if (settings.partitions) encoded.add_partitions(*settings.partitions);
  if (settings.retention_bytes) encoded.add_retention_bytes(*settings.retention_bytes);
  if (settings.retention_ms) encoded.add_retention_ms(*settings.retention_ms);
  if (settings.bytes_max) encoded.add_bytes_max(*settings.bytes_max);
  if (settings.record_bytes_max) encoded.add_record_bytes_max(*settings.record_bytes_max);
  if (settings.batch_bytes_max) encoded.add_batch_bytes_max(*settings.batch_bytes_max);
  if (settings.index) encoded.add_index(static_cast<wire::Index>(*settings.index));
  if (settings.cleanup) encoded.add_cleanup(static_cast<wire::Cleanup>(*settings.cleanup));
  if (settings.compact_after_ms) encoded.add_compact_after_ms(*settings.compact_after_ms);
  if (settings.keep_tombstones_ms) encoded.add_keep_tombstones_ms(*settings.keep_tombstones_ms);
  return encoded.Finish();
}

topic_info decode(const wire::TopicInfo& topic) {
  topic_info info;
  info.name = protocol::text(topic.name());
  info.id = topic_id(topic.topic_id());
  info.created = time_at(topic.created_ms());
  const auto& settings = *topic.settings();
  info.settings = {.partitions = settings.partitions(),
                   .retention_bytes = settings.retention_bytes(),
                   .retention_ms = settings.retention_ms(),
                   .bytes_max = settings.bytes_max(),
                   .record_bytes_max = settings.record_bytes_max(),
                   .batch_bytes_max = settings.batch_bytes_max()};
  if (settings.index().has_value()) info.settings.index = static_cast<topic_index>(settings.index().value());
  if (settings.cleanup().has_value())
    info.settings.cleanup = static_cast<topic_cleanup>(settings.cleanup().value());
  info.settings.compact_after_ms = settings.compact_after_ms();
  info.settings.keep_tombstones_ms = settings.keep_tombstones_ms();
  info.bytes = topic.bytes();
  info.records = topic.records();
  for (const auto* one : protocol::each(topic.partitions()))
    info.partitions.push_back(
        {partition_id(one->partition()), offset(one->log_start()), offset(one->end()), one->bytes()});
  return info;
}

broker_status decode(const wire::StatusOk& status) {
  broker_status decoded;
  decoded.broker_version = protocol::text(status.broker_version());
  decoded.broker_id = protocol::text(status.broker_id());
  decoded.uptime = std::chrono::milliseconds(status.uptime_ms());
  decoded.now = time_at(status.now_ms());
  decoded.connections = status.connections();
  decoded.subscriptions = status.subscriptions();
  decoded.topics = status.topics();
  decoded.partitions = status.partitions();
  decoded.records_in = status.records_in();
  decoded.bytes_in = status.bytes_in();
  decoded.bytes_out = status.bytes_out();
  decoded.memory_bytes = status.memory_bytes();
  decoded.memory_budget_bytes = status.memory_budget_bytes();
  decoded.journal_segments = status.journal_segments();
  decoded.journal_bytes = status.journal_bytes();
  decoded.journal_live_bytes = status.journal_live_bytes();
  decoded.journal_syncs = status.journal_syncs();
  decoded.disk_free_bytes = status.disk_free_bytes();
  decoded.storage_full = status.storage_full();
  decoded.replay_bytes = status.replay_bytes();
  return decoded;
}

}  // namespace skald::detail
