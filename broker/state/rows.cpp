#include "broker/state/rows.hpp"

#include "broker/state/encoding.hpp"

namespace skald::state {

namespace {

// One list of fields per type serves both directions: `coder` is an encoder or a decoder.
template <class Coder>
void fields(Coder& coder, auto& key)
  requires requires {
    key.topic;
    key.partition;
  }
{
  coder.number(key.topic).number(key.partition);
}

}  // namespace

// ---- keys ----

void encode(const topic_id& key, std::string& out) {
  encoder(out).number(key);
}
void encode(const journal::generation& key, std::string& out) {
  encoder(out).number(key);
}
void encode(const partition_key& key, std::string& out) {
  encoder to(out);
  fields(to, key);
}
void encode(const batch_key& key, std::string& out) {
  encoder to(out);
  fields(to, key.of);
  to.number(key.base);
}
void encode(const place_key& key, std::string& out) {
  encoder(out).number(key.segment).number(key.position);
}
void encode(const producer_key& key, std::string& out) {
  encoder to(out);
  fields(to, key.on);
  to.number(key.producer);
}

void decode(std::string_view in, topic_id& key) {
  decoder(in).number(key).finish();
}
void decode(std::string_view in, journal::generation& key) {
  decoder(in).number(key).finish();
}
void decode(std::string_view in, partition_key& key) {
  decoder from(in);
  fields(from, key);
  from.finish();
}
void decode(std::string_view in, batch_key& key) {
  decoder from(in);
  fields(from, key.of);
  from.number(key.base).finish();
}
void decode(std::string_view in, place_key& key) {
  decoder(in).number(key.segment).number(key.position).finish();
}
void decode(std::string_view in, producer_key& key) {
  decoder from(in);
  fields(from, key.on);
  from.number(key.producer).finish();
}

// ---- values ----

void encode(const meta_row& row, std::string& out) {
  encoder to(out);
  to.number(row.schema);
  to.number(row.replay_from.next).number(row.replay_from.segment).number(row.replay_from.position);
  to.number(row.applied).number(row.next_topic).number(row.next_producer);
}
void decode(std::string_view in, meta_row& row) {
  decoder from(in);
  from.number(row.schema);
  if (row.schema > schema_version)
    throw error(errc::unsupported_version,
                "the state has schema version " + std::to_string(row.schema) + ", this program knows up to " +
                    std::to_string(schema_version) + ": use the newer skaldd that wrote it");
  if (row.schema == 0) throw error(errc::storage_corrupt, "the state has schema version 0");
  from.number(row.replay_from.next).number(row.replay_from.segment).number(row.replay_from.position);
  from.number(row.applied).number(row.next_topic).number(row.next_producer).finish();
}

void encode(const topic_row& row, std::string& out) {
  const topic_settings& with = row.settings;
  encoder(out)
      .text(row.name)
      .number(row.created)
      .number(with.partitions)
      .number(with.retention_bytes)
      .number(with.retention_ms)
      .number(with.bytes_max)
      .number(with.record_bytes_max)
      .number(with.batch_bytes_max);
}
void decode(std::string_view in, topic_row& row) {
  topic_settings& with = row.settings;
  decoder(in)
      .text(row.name)
      .number(row.created)
      .number(with.partitions)
      .number(with.retention_bytes)
      .number(with.retention_ms)
      .number(with.bytes_max)
      .number(with.record_bytes_max)
      .number(with.batch_bytes_max)
      .finish();
}

void encode(const partition_row& row, std::string& out) {
  encoder(out)
      .number(row.log_start)
      .number(row.end)
      .number(row.bytes_appended)
      .number(row.bytes)
      .number(row.newest_record)
      .number(row.newest_age);
}
void decode(std::string_view in, partition_row& row) {
  decoder(in)
      .number(row.log_start)
      .number(row.end)
      .number(row.bytes_appended)
      .number(row.bytes)
      .number(row.newest_record)
      .number(row.newest_age)
      .finish();
}

void encode(const batch_row& row, std::string& out) {
  encoder(out)
      .number(row.at.segment)
      .number(row.at.position)
      .number(row.at.bytes)
      .number(row.records)
      .number(row.leader_epoch)
      .number(row.newest_record)
      .number(row.newest_record_so_far)
      .number(row.age_from)
      .number(row.bytes_before);
}
void decode(std::string_view in, batch_row& row) {
  decoder(in)
      .number(row.at.segment)
      .number(row.at.position)
      .number(row.at.bytes)
      .number(row.records)
      .number(row.leader_epoch)
      .number(row.newest_record)
      .number(row.newest_record_so_far)
      .number(row.age_from)
      .number(row.bytes_before)
      .finish();
}

void encode(const producer_row& row, std::string& out) {
  encoder to(out);
  to.number(row.epoch).number(row.next_sequence).number(row.last_seen);
  to.number(static_cast<std::uint8_t>(row.batches.size()));
  for (const producer_row::sent& batch : row.batches)
    to.number(batch.base_sequence).number(batch.records).number(batch.base_offset);
}
void decode(std::string_view in, producer_row& row) {
  decoder from(in);
  std::uint8_t count = 0;
  from.number(row.epoch).number(row.next_sequence).number(row.last_seen).number(count);
  row.batches.resize(count);
  for (producer_row::sent& batch : row.batches)
    from.number(batch.base_sequence).number(batch.records).number(batch.base_offset);
  from.finish();
}

void encode(const segment_row& row, std::string& out) {
  encoder(out).number(row.live_bytes);
}
void decode(std::string_view in, segment_row& row) {
  decoder(in).number(row.live_bytes).finish();
}

void encode(const garbage_row& row, std::string& out) {
  encoder(out)
      .number(row.from)
      .number(row.to)
      .number(static_cast<std::uint8_t>(row.topic_deleted))
      .number(row.producers_from);
}
void decode(std::string_view in, garbage_row& row) {
  std::uint8_t deleted = 0;
  decoder(in).number(row.from).number(row.to).number(deleted).number(row.producers_from).finish();
  row.topic_deleted = deleted != 0;
}

}  // namespace skald::state
