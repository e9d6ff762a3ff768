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

void encode(const producer_id& key, std::string& out) {
  encoder(out).number(key);
}
void decode(std::string_view in, producer_id& key) {
  decoder(in).number(key).finish();
}
void encode(const text_key& key, std::string& out) {
  encoder to(out);
  fields(to, key.of);
  to.ordered_text(key.text);
}
void encode(const key_record_key& key, std::string& out) {
  encoder to(out);
  fields(to, key.of.of);
  to.ordered_text(key.of.text).number(key.version);
}
void encode(const commit_key& key, std::string& out) {
  encoder(out).number(key.producer).number(key.sequence);
}

void decode(std::string_view in, text_key& key) {
  decoder from(in);
  fields(from, key.of);
  from.ordered_text(key.text).finish();
}
void decode(std::string_view in, key_record_key& key) {
  decoder from(in);
  fields(from, key.of.of);
  from.ordered_text(key.of.text).number(key.version).finish();
}
void decode(std::string_view in, commit_key& key) {
  decoder(in).number(key.producer).number(key.sequence).finish();
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

void encode(const group_position_key& key, std::string& out) {
  encoder to(out);
  to.ordered_text(key.group);
  fields(to, key.of);
}
void decode(std::string_view in, group_position_key& key) {
  decoder from(in);
  from.ordered_text(key.group);
  fields(from, key.of);
  from.finish();
}
void encode(const timer_key& key, std::string& out) {
  encoder(out).number(key.due).number(key.id);
}
void decode(std::string_view in, timer_key& key) {
  decoder(in).number(key.due).number(key.id).finish();
}
void encode(const timer_name_key& key, std::string& out) {
  encoder(out).ordered_text(key.owner).ordered_text(key.name);
}
void decode(std::string_view in, timer_name_key& key) {
  decoder(in).ordered_text(key.owner).ordered_text(key.name).finish();
}

// ---- values ----

void encode(const meta_row& row, std::string& out) {
  encoder to(out);
  to.number(row.schema);
  to.number(row.replay_from.next).number(row.replay_from.segment).number(row.replay_from.position);
  to.number(row.applied).number(row.next_topic).number(row.next_producer).number(row.next_timer);
}
void decode(std::string_view in, meta_row& row) {
  decoder from(in);
  from.number(row.schema);
  if (row.schema > schema_version)
    throw error(errc::unsupported_version,
                "the state has schema version " + std::to_string(row.schema) + ", this program knows up to " +
                    std::to_string(schema_version) + ": use the newer skaldd that wrote it");
  if (row.schema == 0) throw error(errc::storage_corrupt, "the state has schema version 0");
  if (row.schema < schema_version_oldest)
    throw error(errc::unsupported_version,
                "the state has schema version " + std::to_string(row.schema) +
                    ", this program knows none before " + std::to_string(schema_version_oldest) +
                    ": read it with the skaldd that wrote it, and publish it anew to this one");
  from.number(row.replay_from.next).number(row.replay_from.segment).number(row.replay_from.position);
  from.number(row.applied).number(row.next_topic).number(row.next_producer).number(row.next_timer).finish();
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
      .number(with.batch_bytes_max)
      .number(static_cast<std::uint8_t>(with.index))
      .number(static_cast<std::uint8_t>(with.cleanup))
      .number(with.compact_after_ms)
      .number(with.keep_tombstones_ms)
      .number(static_cast<std::uint8_t>(row.compacted));
}
void decode(std::string_view in, topic_row& row) {
  topic_settings& with = row.settings;
  std::uint8_t index = 0;
  std::uint8_t cleanup = 0;
  std::uint8_t compacted = 0;
  decoder(in)
      .text(row.name)
      .number(row.created)
      .number(with.partitions)
      .number(with.retention_bytes)
      .number(with.retention_ms)
      .number(with.bytes_max)
      .number(with.record_bytes_max)
      .number(with.batch_bytes_max)
      .number(index)
      .number(cleanup)
      .number(with.compact_after_ms)
      .number(with.keep_tombstones_ms)
      .number(compacted)
      .finish();
  with.index = static_cast<topic_index>(index);
  with.cleanup = static_cast<topic_cleanup>(cleanup);
  row.compacted = compacted != 0;
}

void encode(const partition_row& row, std::string& out) {
  encoder(out)
      .number(row.log_start)
      .number(row.end)
      .number(row.bytes_appended)
      .number(row.bytes)
      .number(row.newest_record)
      .number(row.newest_age)
      .number(row.waiting)
      .number(row.waiting_bytes)
      .number(static_cast<std::uint8_t>(row.may_expire));
}
void decode(std::string_view in, partition_row& row) {
  std::uint8_t may_expire = 0;
  decoder(in)
      .number(row.log_start)
      .number(row.end)
      .number(row.bytes_appended)
      .number(row.bytes)
      .number(row.newest_record)
      .number(row.newest_age)
      .number(row.waiting)
      .number(row.waiting_bytes)
      .number(may_expire)
      .finish();
  row.may_expire = may_expire != 0;
}

bool operator==(const batch_row& a, const batch_row& b) {
  const bool same_labels =
      a.labels == b.labels || (a.labels != nullptr && b.labels != nullptr && *a.labels == *b.labels);
  return same_labels && a.at == b.at && a.records == b.records && a.leader_epoch == b.leader_epoch &&
         a.newest_record == b.newest_record && a.newest_record_so_far == b.newest_record_so_far &&
         a.age_from == b.age_from && a.bytes_before == b.bytes_before && a.expires == b.expires;
}

void encode(const batch_row& row, std::string& out) {
  encoder to(out);
  to.number(row.at.segment)
      .number(row.at.position)
      .number(row.at.bytes)
      .number(row.records)
      .number(row.leader_epoch)
      .number(row.newest_record)
      .number(row.newest_record_so_far)
      .number(row.age_from)
      .number(row.bytes_before)
      .number(row.expires)
      .number(static_cast<std::uint8_t>(row.labels != nullptr));
  if (row.labels == nullptr) return;
  to.text(row.labels->message_id).number(static_cast<std::uint32_t>(row.labels->keys.size()));
  for (const batch_labels::keyed& one : row.labels->keys)
    to.text(one.key).number(one.version).number(one.delta);
}
void decode(std::string_view in, batch_row& row) {
  decoder from(in);
  from.number(row.at.segment)
      .number(row.at.position)
      .number(row.at.bytes)
      .number(row.records)
      .number(row.leader_epoch)
      .number(row.newest_record)
      .number(row.newest_record_so_far)
      .number(row.age_from)
      .number(row.bytes_before)
      .number(row.expires);
  std::uint8_t labelled = 0;
  from.number(labelled);
  row.labels.reset();
  if (labelled == 0) return from.finish();
  batch_labels labels;
  std::uint32_t count = 0;
  from.text(labels.message_id).number(count);
  for (; count > 0; --count) {
    batch_labels::keyed& one = labels.keys.emplace_back();
    from.text(one.key).number(one.version).number(one.delta);
  }
  from.finish();
  row.labels = std::make_shared<const batch_labels>(std::move(labels));
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

void encode(const key_row& row, std::string& out) {
  encoder(out).number(row.version).number(row.latest).number(static_cast<std::uint8_t>(row.tombstone));
}
void decode(std::string_view in, key_row& row) {
  std::uint8_t tombstone = 0;
  decoder(in).number(row.version).number(row.latest).number(tombstone).finish();
  row.tombstone = tombstone != 0;
}

void encode(const offset_row& row, std::string& out) {
  encoder(out).number(row.at);
}
void decode(std::string_view in, offset_row& row) {
  decoder(in).number(row.at).finish();
}

void encode(const commit_row& row, std::string& out) {
  encoder to(out);
  to.number(row.epoch).number(static_cast<std::uint32_t>(row.appends.size()));
  for (const commit_row::appended& one : row.appends) {
    fields(to, one.to);
    to.number(one.base).number(one.version).number(static_cast<std::uint8_t>(one.duplicate));
  }
}
void decode(std::string_view in, commit_row& row) {
  decoder from(in);
  std::uint32_t count = 0;
  from.number(row.epoch).number(count);
  row.appends.clear();
  for (; count > 0; --count) {
    commit_row::appended& one = row.appends.emplace_back();
    std::uint8_t duplicate = 0;
    fields(from, one.to);
    from.number(one.base).number(one.version).number(duplicate);
    one.duplicate = duplicate != 0;
  }
  from.finish();
}

void encode(const committer_row& row, std::string& out) {
  encoder(out).number(row.epoch).number(row.newest).number(row.last_seen);
}
void decode(std::string_view in, committer_row& row) {
  decoder(in).number(row.epoch).number(row.newest).number(row.last_seen).finish();
}

void encode(const named_producer_row& row, std::string& out) {
  encoder to(out);
  to.text(row.name).number(row.epoch).number(row.last_seen);
  to.number(row.renews.id).number(row.renews.epoch);
}
void decode(std::string_view in, named_producer_row& row) {
  decoder from(in);
  from.text(row.name).number(row.epoch).number(row.last_seen);
  from.number(row.renews.id).number(row.renews.epoch).finish();
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
      .number(row.producers_from)
      .number(row.timers)
      .number(row.timers_from.due)
      .number(row.timers_from.id);
}
void decode(std::string_view in, garbage_row& row) {
  std::uint8_t deleted = 0;
  decoder from(in);
  from.number(row.from).number(row.to).number(deleted).number(row.producers_from);
  from.number(row.timers).number(row.timers_from.due).number(row.timers_from.id).finish();
  row.topic_deleted = deleted != 0;
}

void encode(const group_position_row& row, std::string& out) {
  encoder(out).number(row.next).number(row.committed);
}
void decode(std::string_view in, group_position_row& row) {
  decoder(in).number(row.next).number(row.committed).finish();
}
void encode(const timer_row& row, std::string& out) {
  encoder to(out);
  fields(to, row.to);
  to.number(row.at.segment).number(row.at.position).number(row.at.bytes);
  to.number(row.stamped).number(row.ttl_ms).text(row.owner).text(row.name).text(row.message_id);
  to.number(static_cast<std::uint8_t>((row.keyed ? 1 : 0) + (row.tombstone ? 2 : 0))).text(row.key);
}
void decode(std::string_view in, timer_row& row) {
  decoder from(in);
  std::uint8_t flags = 0;
  fields(from, row.to);
  from.number(row.at.segment).number(row.at.position).number(row.at.bytes);
  from.number(row.stamped).number(row.ttl_ms).text(row.owner).text(row.name).text(row.message_id);
  from.number(flags).text(row.key).finish();
  row.keyed = (flags & 1) != 0;
  row.tombstone = (flags & 2) != 0;
}

void encode(const timer_name_row& row, std::string& out) {
  encode(row.timer, out);
}
void decode(std::string_view in, timer_name_row& row) {
  decode(in, row.timer);
}

void encode(const place_row& row, std::string& out) {
  encoder to(out);
  to.number(static_cast<std::uint8_t>(row.what.index()));
  if (const auto* batch = std::get_if<batch_key>(&row.what)) {
    fields(to, batch->of);
    to.number(batch->base);
  } else {
    const auto& timer = std::get<timer_key>(row.what);
    to.number(timer.due).number(timer.id);
  }
}
void decode(std::string_view in, place_row& row) {
  decoder from(in);
  std::uint8_t kind = 0;
  from.number(kind);
  if (kind == 0) {
    auto& batch = row.what.emplace<batch_key>();
    fields(from, batch.of);
    from.number(batch.base).finish();
  } else if (kind == 1) {
    auto& timer = row.what.emplace<timer_key>();
    from.number(timer.due).number(timer.id).finish();
  } else {
    throw error(errc::storage_corrupt, "a row of the state says of an unknown kind what lies at a place");
  }
}

}  // namespace skald::state
