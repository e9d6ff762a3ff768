#include "broker/shard/record_index.hpp"

#include <algorithm>
#include <utility>

namespace skald::shard {

bool record_index::kept(const state::partition_key& of, offset at) const {
  const state::partition_row* partition = tables_.partitions.find(of);
  return partition != nullptr && at >= partition->log_start;
}

std::optional<state::key_row> record_index::find_key(const state::text_key& key) const {
  std::optional<state::key_row> row = tables_.keys.get(key);
  if (row && !kept(key.of, row->latest)) row.reset();
  return row;
}

std::optional<offset> record_index::find_version(const state::text_key& key, std::uint64_t version) const {
  const auto newest = find_key(key);
  if (!newest || version > newest->version) return std::nullopt;
  const auto row = tables_.key_records.get({key, version});
  return row && kept(key.of, row->at) ? std::optional(row->at) : std::nullopt;
}

std::optional<offset> record_index::find_message(const state::text_key& id) const {
  const auto row = tables_.message_ids.get(id);
  if (!row || !kept(id.of, row->at)) return std::nullopt;
  if (row->at == state::not_yet || !tables_.topics.find(id.of.topic)->compacted) return row->at;
  const state::batch_key batch{id.of, row->at};
  const auto stored = tables_.batches.get(batch);
  return stored && needs_message(batch, *stored) ? std::optional(row->at) : std::nullopt;
}

bool record_index::is_newest(const state::batch_key& batch, const state::batch_labels::keyed& record) const {
  const auto newest = tables_.keys.get({batch.of, record.key});
  return newest && newest->latest == batch.base + record.delta;
}

bool record_index::needs_message(const state::batch_key& batch, const state::batch_row& row) const {
  constexpr std::chrono::hours remembered{24};
  if (row.labels == nullptr || row.labels->message_id.empty()) return false;
  const bool newest = !row.labels->keys.empty() && is_newest(batch, row.labels->keys.front());
  const state::partition_row* partition = tables_.partitions.find(batch.of);
  return newest || partition == nullptr || row.age_from + remembered > partition->newest_age;
}

std::shared_ptr<const state::batch_labels> record_index::add(const append_command& batch, offset base) {
  if (batch.terms == nullptr || (batch.terms->keys.empty() && batch.terms->message_id.empty()))
    return nullptr;
  auto labels = std::make_shared<state::batch_labels>();
  labels->message_id = batch.terms->message_id;
  if (!labels->message_id.empty()) tables_.message_ids.put({batch.to, labels->message_id}, {base});
  labels->keys.reserve(batch.terms->keys.size());
  offset at = base;
  for (const append_terms::record_key& record : batch.terms->keys) {
    const state::text_key key{batch.to, record.key};
    const auto before = find_key(key);
    superseded_ += before ? 1 : 0;
    const std::uint64_t version = (before ? before->version : 0) + 1;
    tables_.keys.put(key, {.version = version, .latest = at, .tombstone = record.tombstone});
    tables_.key_records.put({key, version}, {at});
    labels->keys.push_back({record.key, version, static_cast<std::uint32_t>(at - base)});
    at += 1;
  }
  return labels;
}

void record_index::forget(const state::batch_key& batch, const state::batch_labels& labels) {
  // A row may speak of a newer record by now: of a key that started over, or of an id that was used again.
  if (!labels.message_id.empty()) {
    const state::text_key id{batch.of, labels.message_id};
    const auto row = tables_.message_ids.get(id);
    if (row && row->at == batch.base) tables_.message_ids.erase(id);
  }
  for (const state::batch_labels::keyed& record : labels.keys) forget_record(batch, record);
}

void record_index::forget_record(const state::batch_key& batch, const state::batch_labels::keyed& record) {
  const offset at = batch.base + record.delta;
  const state::key_record_key version{{batch.of, record.key}, record.version};
  const auto row = tables_.key_records.get(version);
  if (row && row->at == at) tables_.key_records.erase(version);
  const auto newest = tables_.keys.get(version.of);
  if (newest && newest->latest == at) tables_.keys.erase(version.of);
}

bool record_index::has_older(const state::text_key& key, const state::key_row& newest) const {
  bool found = false;
  tables_.key_records.scan({key, 0}, [&](const state::key_record_key& record, const state::offset_row&) {
    found = record.of == key && record.version < newest.version;
    return false;
  });
  return found;
}

std::optional<state::key_row> record_index::tombstone_before(const state::text_key& key,
                                                             timestamp cutoff) const {
  const auto newest = find_key(key);
  if (!newest || !newest->tombstone) return std::nullopt;
  // The newest record of a key is always stored.
  const auto batch = tables_.batches.at_or_before({key.of, newest->latest});
  const bool old = batch && batch->first.of == key.of && batch->second.age_from < cutoff;
  return old ? newest : std::nullopt;
}

void record_index::forget_key(const state::text_key& key, const state::key_row& newest) {
  tables_.keys.erase(key);
  tables_.key_records.erase({key, newest.version});
  ++superseded_;
}

std::shared_ptr<const state::batch_labels> record_index::keep(const state::batch_key& batch,
                                                              const state::batch_labels& labels,
                                                              std::span<const std::uint32_t> deltas) {
  auto kept = std::make_shared<state::batch_labels>();
  kept->message_id = labels.message_id;
  for (const state::batch_labels::keyed& record : labels.keys) {
    if (std::ranges::binary_search(deltas, record.delta)) {
      kept->keys.push_back(record);
    } else {
      forget_record(batch, record);
    }
  }
  return kept;
}

}  // namespace skald::shard
