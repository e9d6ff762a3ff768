#include "broker/shard/state_machine.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "broker/shard/producer_sequence.hpp"
#include "broker/shard/staged_appends.hpp"

namespace skald::shard {

using state::batch_key;
using state::batch_row;
using state::garbage_row;
using state::partition_key;
using state::partition_row;
using state::producer_key;
using state::producer_row;
using state::topic_row;

namespace {

effect refused(errc code, std::string message) {
  effect none;
  none.why = {code, std::move(message)};
  return none;
}

effect gone(topic_id topic) {
  return refused(errc::unknown_topic, "the topic with the id " + std::to_string(topic.value()) +
                                          " has been deleted; create it again if it is still wanted");
}

effect too_many_partitions(std::uint32_t max) {
  return refused(errc::invalid_settings, "there would be more than " + std::to_string(max) +
                                             " partitions in all; ask for fewer or raise the broker's limit");
}

constexpr offset offset_max{std::numeric_limits<std::uint64_t>::max()};

}  // namespace

state_machine::state_machine(state::tables& over) : tables_(over), index_(over), queues_(over) {
  for (const auto& [id, topic] : tables_.topics) by_name_.emplace(topic.name, id);
  for (const auto& [id, producer] : tables_.named_producers) producers_by_name_.emplace(producer.name, id);
}

std::optional<topic_id> state_machine::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

effect state_machine::apply(const command& what, journal::place batch) {
  return std::visit([&](const auto& c) { return on(c, batch); }, what);
}

// ---- topics ----

effect state_machine::on(const create_topic_command& c, journal::place) {
  effect made;
  if (const auto existing = find(c.name)) {
    if (!c.if_absent) return refused(errc::topic_exists, "a topic named '" + c.name + "' exists already");
    made.topic = *existing;
    return made;
  }
  if (tables_.partitions.size() + c.settings.partitions > c.partitions_max)
    return too_many_partitions(c.partitions_max);
  made.topic = tables_.meta.next_topic;
  tables_.meta.next_topic = topic_id(made.topic.value() + 1);
  tables_.topics.put(made.topic, {.name = c.name,
                                  .created = c.now,
                                  .settings = c.settings,
                                  .compacted = c.settings.cleanup == topic_cleanup::compact});
  by_name_.emplace(c.name, made.topic);
  add_partitions(made.topic, 0, c.settings.partitions);
  return made;
}

effect state_machine::on(const alter_topic_command& c, journal::place) {
  const topic_row* existing = tables_.topics.find(c.topic);
  if (existing == nullptr) return gone(c.topic);
  const std::uint32_t before = existing->settings.partitions;
  const std::uint32_t after = c.changes.partitions.value_or(before);
  if (after < before)
    return refused(errc::invalid_settings, "topic '" + existing->name + "' has " + std::to_string(before) +
                                               " partitions, and their number can only grow");
  if (tables_.partitions.size() + (after - before) > c.partitions_max)
    return too_many_partitions(c.partitions_max);

  topic_row& topic = *tables_.topics.edit(c.topic);
  topic.settings = changed(topic.settings, c.changes);
  topic.compacted |= topic.settings.cleanup == topic_cleanup::compact;
  add_partitions(c.topic, before, after);
  effect altered;
  altered.topic = c.topic;
  return altered;
}

void state_machine::add_partitions(topic_id topic, std::uint32_t from, std::uint32_t to) {
  for (std::uint32_t p = from; p < to; ++p) tables_.partitions.put({topic, partition_id(p)}, {});
}

effect state_machine::on(const delete_topic_command& c, journal::place) {
  const topic_row* topic = tables_.topics.find(c.topic);
  if (topic == nullptr) return gone(c.topic);
  std::uint64_t timers = 0;
  for (std::uint32_t p = 0; p < topic->settings.partitions; ++p) {
    const partition_key key{c.topic, partition_id(p)};
    const partition_row& partition = *tables_.partitions.find(key);
    timers += partition.waiting;
    garbage_row rest{.from = partition.log_start, .to = offset_max, .topic_deleted = true};
    if (const garbage_row* trimmed = tables_.garbage.find(key)) rest.from = trimmed->from;
    tables_.garbage.put(key, rest);
    tables_.partitions.erase(key);
  }
  queues_.topic_deleted(c.topic);
  tables_.garbage.edit({c.topic, partition_id(0)})->timers = timers;
  by_name_.erase(topic->name);
  tables_.topics.erase(c.topic);
  effect deleted;
  deleted.topic = c.topic;
  deleted.readers = effect::change::topic_gone;
  return deleted;
}

// ---- batches ----

failure state_machine::wrong_target(const append_command& c) const {
  const topic_row* topic = tables_.topics.find(c.to.topic);
  if (topic == nullptr) return gone(c.to.topic).why;
  if (c.to.partition.value() < topic->settings.partitions) return {};
  return {errc::unknown_partition,
          "topic '" + topic->name + "' has " + std::to_string(topic->settings.partitions) +
              " partitions; there is no partition " + std::to_string(c.to.partition.value())};
}

std::optional<offset> state_machine::known_message(const append_command& c) const {
  if (c.terms == nullptr || c.terms->message_id.empty()) return std::nullopt;
  return index_.find_message({c.to, c.terms->message_id});
}

effect state_machine::on(const append_command& c, journal::place batch) {
  effect appended;
  appended.why = wrong_target(c);
  if (appended.why) return appended;
  appended.topic = c.to.topic;
  appended.partition = c.to.partition;

  // A batch sent again is looked up before anything else can refuse it: it has been accepted already.
  std::optional<producer_row> known;
  const producer_key producer{c.to, c.producer.value_or(producer_id())};
  if (c.producer) {
    appended.why = fenced(*c.producer, c.epoch);
    if (appended.why) return appended;
    note_use(*c.producer, c.now);
    known = tables_.producers.get(producer);
    const sequence_verdict verdict = judge_sequence(known ? &*known : nullptr, c);
    switch (verdict.is) {
      case sequence_verdict::kind::next:
        break;
      case sequence_verdict::kind::duplicate:
        appended.base_offset = verdict.original;
        appended.duplicate = true;
        return appended;
      case sequence_verdict::kind::fenced:
        return refused(errc::fenced_producer, "producer " + std::to_string(c.producer->value()) +
                                                  " has published with a newer epoch than " +
                                                  std::to_string(c.epoch.value()) +
                                                  "; this instance of it has to stop");
      case sequence_verdict::kind::out_of_order:
        return refused(errc::out_of_order_sequence,
                       "producer " + std::to_string(c.producer->value()) + " sent sequence " +
                           std::to_string(c.base_sequence) + " where " +
                           std::to_string(c.epoch == known->epoch ? known->next_sequence : 0) +
                           " was expected; batches before it were not stored");
    }
  }

  const std::optional<offset> original = known_message(c);
  if (!original) {
    appended.why =
        limits_broken(c, *tables_.topics.find(c.to.topic), *tables_.partitions.find(c.to), nullptr);
    if (!appended.why) appended.why = version_conflict(c, nullptr, appended.version);
    if (appended.why) {
      if (c.producer && !known) tables_.producers.put(producer, introduce(c));
      return appended;
    }
  }

  committed_append done{.to = c.to, .base_offset = original.value_or(offset())};
  if (!original) take_in(c, batch, done, appended.due);
  appended.base_offset = done.base_offset;
  appended.version = done.version;
  appended.duplicate = original.has_value();
  if (done.records > 0) appended.readers = effect::change::records_added;
  if (c.producer) {
    if (!known) known = introduce(c);
    remember_batch(*known, c, appended.base_offset);
    tables_.producers.put(producer, std::move(*known));
  }
  return appended;
}

failure state_machine::limits_broken(const append_command& c, const topic_row& topic,
                                     const partition_row& partition, const staged* before) const {
  const topic_settings& with = topic.settings;
  if (c.record_bytes_largest > with.record_bytes_max)
    return {errc::record_too_large, "a record has " + std::to_string(c.record_bytes_largest) +
                                        " bytes; topic '" + topic.name + "' accepts " +
                                        std::to_string(with.record_bytes_max)};
  if (c.batch_bytes > with.batch_bytes_max)
    return {errc::batch_too_large, "a batch has " + std::to_string(c.batch_bytes) + " bytes; topic '" +
                                       topic.name + "' accepts " + std::to_string(with.batch_bytes_max)};
  const std::uint64_t bytes =
      partition.bytes + partition.waiting_bytes + (before == nullptr ? 0 : before->bytes_of(c.to));
  if (with.bytes_max != unlimited && bytes + c.batch_bytes > static_cast<std::uint64_t>(with.bytes_max))
    return {errc::topic_full, "partition " + std::to_string(c.to.partition.value()) + " of topic '" +
                                  topic.name + "' holds " + std::to_string(bytes) + " of its " +
                                  std::to_string(with.bytes_max) +
                                  " bytes; wait for retention to trim it, or raise its bytes_max"};
  return {};
}

void state_machine::take_in(const append_command& c, journal::place batch, committed_append& done,
                            std::optional<timestamp>& earliest_due) {
  if (c.terms != nullptr && !c.terms->timer_name.empty())
    if (const auto replaced = named_timer({c.terms->timer_owner, c.terms->timer_name}))
      drop_timer(replaced->first, replaced->second);
  if (waits(c)) {
    park(c, batch);
    done.base_offset = state::not_yet;
    earliest_due = std::min(earliest_due.value_or(state::never), *c.terms->due);
    return;
  }
  partition_row& partition = *tables_.partitions.edit(c.to);
  done.base_offset = partition.end;
  done.records = c.records;
  done.bytes = c.batch_bytes;
  done.version = store_batch(c, batch, partition, std::min(c.timestamp_max, c.now));
}

std::uint64_t state_machine::store_batch(const append_command& c, journal::place batch,
                                         partition_row& partition, timestamp age_from) {
  const batch_key key{c.to, partition.end};
  partition.newest_record = std::max(partition.newest_record, c.timestamp_max);
  partition.newest_age = std::max(partition.newest_age, age_from);
  const bool expires = c.terms != nullptr && c.terms->ttl_ms != unlimited;
  partition.may_expire |= expires;
  const batch_row row{.at = batch,
                      .records = c.records,
                      .leader_epoch = 0,
                      .newest_record = c.timestamp_max,
                      .newest_record_so_far = partition.newest_record,
                      .age_from = partition.newest_age,
                      .bytes_before = partition.bytes_appended,
                      .expires = expires ? c.now + std::chrono::milliseconds(c.terms->ttl_ms) : state::never,
                      .labels = index_.add(c, partition.end)};
  tables_.batches.put(key, row);
  tables_.places.put({batch.segment, batch.position}, {key});
  tables_.segments.edit_or_add(batch.segment).live_bytes += batch.bytes;
  partition.end += c.records;
  partition.bytes += batch.bytes;
  partition.bytes_appended += batch.bytes;
  return row.labels == nullptr || row.labels->keys.empty() ? 0 : row.labels->keys.back().version;
}

effect state_machine::on(const trim_command& c, journal::place) {
  const partition_row* before = tables_.partitions.find(c.of);
  if (before == nullptr) return gone(c.of.topic);
  effect trimmed;
  trimmed.topic = c.of.topic;
  trimmed.partition = c.of.partition;
  offset log_start = std::min(c.log_start, before->end);
  if (log_start <= before->log_start) return trimmed;

  std::uint64_t bytes = 0;
  if (log_start < before->end) {
    // Only whole batches go.
    const auto first = tables_.batches.at_or_before({c.of, log_start});
    if (!first || first->first.of != c.of)
      throw error(errc::storage_corrupt, "the index of a partition lacks the batch that holds offset " +
                                             std::to_string(log_start.value()));
    log_start = first->first.base;
    bytes = before->bytes_appended - first->second.bytes_before;
    if (log_start <= before->log_start) return trimmed;
  }
  garbage_row garbage{.from = before->log_start, .to = log_start};
  if (const garbage_row* earlier = tables_.garbage.find(c.of)) garbage.from = earlier->from;
  tables_.garbage.put(c.of, garbage);
  partition_row& partition = *tables_.partitions.edit(c.of);
  partition.log_start = log_start;
  partition.bytes = bytes;
  queues_.trimmed(c.of, log_start);
  if (log_start == partition.end) partition.may_expire = false;
  return trimmed;
}

effect state_machine::on(const relocated_command& c, journal::place batch) {
  const auto move = [&](auto& table, const auto& key) {
    auto row = table.get(key);
    // It may have been trimmed, fired or moved since, and its copy is dead on arrival.
    if (!row || state::place_key{row->at.segment, row->at.position} != c.from) return;
    tables_.segments.edit_or_add(row->at.segment).live_bytes -= row->at.bytes;
    tables_.segments.edit_or_add(batch.segment).live_bytes += batch.bytes;
    tables_.places.erase(c.from);
    tables_.places.put({batch.segment, batch.position}, c.moved);
    row->at = batch;
    table.put(key, std::move(*row));
  };
  if (const auto* timer = std::get_if<state::timer_key>(&c.moved.what)) {
    move(tables_.timers, *timer);
  } else {
    move(tables_.batches, std::get<batch_key>(c.moved.what));
  }
  return {};
}

// ---- consumer groups ----

effect state_machine::on(const commit_positions_command& c, journal::place) {
  effect committed;
  committed.why = check_positions(tables_, c.positions);
  if (!committed.why) apply_positions(tables_, c.positions, c.now);
  return committed;
}

effect state_machine::on(const delete_group_command& c, journal::place) {
  if (!forget_group(tables_, c.group))
    return refused(errc::unknown_group, "there is no group '" + c.group + "'");
  return {};
}

// ---- queues ----

effect state_machine::on(const create_queue_command& c, journal::place) {
  effect made;
  made.why = queues_.create(c, made.queue);
  return made;
}

effect state_machine::on(const alter_queue_command& c, journal::place) {
  effect altered;
  altered.why = queues_.alter(c);
  return altered;
}

effect state_machine::on(const delete_queue_command& c, journal::place) {
  effect deleted;
  deleted.why = queues_.remove(c.queue);
  return deleted;
}

effect state_machine::on(const settle_command& c, journal::place) {
  for (const queue_range& range : c.settled) queues_.settle(range);
  for (const retried_range& range : c.retried) queues_.retry(range);
  return {};
}

effect state_machine::on(const unpark_queue_command& c, journal::place) {
  effect unparked;
  unparked.why = queues_.unpark(c);
  return unparked;
}

effect state_machine::on(const purge_queue_command& c, journal::place) {
  effect purged;
  purged.why = queues_.purge(c.queue);
  return purged;
}

// ---- garbage ----

bool state_machine::collect_garbage(std::size_t rows_max) {
  while (rows_max > 0 && !tables_.garbage.empty()) {
    const partition_key of = (*tables_.garbage.begin()).first;
    const bool topic_deleted = tables_.garbage.find(of)->topic_deleted;
    rows_max -= collect_batches(of, rows_max);
    if (rows_max == 0) break;
    if (topic_deleted) rows_max -= collect_producers(of, rows_max);
    if (rows_max == 0) break;
    if (topic_deleted) rows_max -= collect_timers(of, rows_max);
    if (rows_max == 0) break;
    // Once for each topic, and before the first of its garbage rows goes.
    if (topic_deleted && of.partition == partition_id(0)) {
      rows_max -= position_sweep_.step(tables_, of.topic, rows_max);
      if (!position_sweep_.done()) break;
    }
    tables_.garbage.erase(of);
  }
  return !tables_.garbage.empty();
}

std::size_t state_machine::collect_batches(const partition_key& of, std::size_t rows_max) {
  garbage_row& garbage = *tables_.garbage.edit(of);
  std::vector<std::pair<batch_key, batch_row>> rows;
  tables_.batches.scan({of, garbage.from}, [&](const batch_key& key, const batch_row& row) {
    if (key.of != of || key.base >= garbage.to) return false;
    rows.emplace_back(key, row);
    return rows.size() < rows_max;
  });
  for (const auto& [key, row] : rows) {
    drop_index_row(key, row);
    garbage.from = key.base + row.records;
  }
  return rows.size();
}

std::size_t state_machine::collect_producers(const partition_key& of, std::size_t rows_max) {
  garbage_row& garbage = *tables_.garbage.edit(of);
  std::vector<producer_key> rows;
  tables_.producers.scan({of, garbage.producers_from}, [&](const producer_key& key, const producer_row&) {
    if (key.on != of) return false;
    rows.push_back(key);
    return rows.size() < rows_max;
  });
  for (const producer_key& key : rows) {
    tables_.producers.erase(key);
    garbage.producers_from = producer_id(key.producer.value() + 1);
  }
  return rows.size();
}

void state_machine::drop_index_row(const batch_key& key, const batch_row& row) {
  if (row.labels != nullptr) index_.forget(key, *row.labels);
  tables_.batches.erase(key);
  free_place(row.at);
}

void state_machine::free_place(const journal::place& at) {
  if (at.bytes == 0) return;
  tables_.places.erase({at.segment, at.position});
  tables_.segments.edit_or_add(at.segment).live_bytes -= at.bytes;
}

}  // namespace skald::shard
