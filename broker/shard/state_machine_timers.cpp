// How timers are applied: records that wait for their time, by name or without.
//
// A timer's batch stays where the journal put it. Firing moves its row from `timers` to `batches`, where it
// gets its offset; the record keeps the timestamp it came with, but its age and its time to live count from
// then. Commands name a timer by its due time and id: who has moved, cancelled or fired it meanwhile has
// changed or removed that key, and the command finds nothing.
#include <algorithm>
#include <utility>
#include <vector>

#include "broker/shard/staged_appends.hpp"
#include "broker/shard/state_machine.hpp"

namespace skald::shard {

using state::timer_key;
using state::timer_name_key;
using state::timer_row;

namespace {

append_command as_append(const timer_row& row, timestamp now) {
  append_command append{.to = row.to,
                        .records = 1,
                        .batch_bytes = row.at.bytes,
                        .record_bytes_largest = 0,
                        .timestamp_max = row.stamped,
                        .now = now,
                        .producer = {},
                        .epoch = {},
                        .base_sequence = 0};
  if (!row.keyed && row.message_id.empty() && row.ttl_ms == unlimited) return append;
  append_terms terms;
  if (row.keyed) terms.keys.push_back({row.key, row.tombstone});
  terms.message_id = row.message_id;
  terms.ttl_ms = row.ttl_ms;
  append.terms = std::make_shared<const append_terms>(std::move(terms));
  return append;
}

std::string shown(const timer_name_key& of) {
  return "'" + of.owner + "/" + of.name + "'";
}

}  // namespace

std::optional<state_machine::parked> state_machine::named_timer(const timer_name_key& name) const {
  const auto named = tables_.timer_names.get(name);
  if (!named) return std::nullopt;
  auto row = tables_.timers.get(named->timer);
  if (!row) throw error(errc::storage_corrupt, "the timer " + shown(name) + " is named, and is not there");
  return parked(named->timer, *std::move(row));
}

void state_machine::park(const append_command& c, journal::place batch) {
  const append_terms& terms = *c.terms;
  const timer_key key{*terms.due, tables_.meta.next_timer++};
  timer_row row{.to = c.to,
                .at = batch,
                .stamped = c.timestamp_max,
                .ttl_ms = terms.ttl_ms,
                .owner = terms.timer_owner,
                .name = terms.timer_name,
                .message_id = terms.message_id,
                .keyed = !terms.keys.empty(),
                .tombstone = !terms.keys.empty() && terms.keys.front().tombstone,
                .key = terms.keys.empty() ? std::string() : terms.keys.front().key};
  if (!row.name.empty()) tables_.timer_names.put({row.owner, row.name}, {key});
  if (!row.message_id.empty()) tables_.message_ids.put({c.to, row.message_id}, {state::not_yet});
  tables_.places.put({batch.segment, batch.position}, {key});
  tables_.segments.edit_or_add(batch.segment).live_bytes += batch.bytes;
  state::partition_row& partition = *tables_.partitions.edit(c.to);
  partition.waiting += 1;
  partition.waiting_bytes += batch.bytes;
  tables_.timers.put(key, std::move(row));
}

void state_machine::drop_timer(const timer_key& key, const timer_row& row) {
  tables_.timers.erase(key);
  if (!row.name.empty()) tables_.timer_names.erase({row.owner, row.name});
  if (!row.message_id.empty()) index_.forget({row.to, state::not_yet}, {row.message_id, {}});
  tables_.places.erase({row.at.segment, row.at.position});
  tables_.segments.edit_or_add(row.at.segment).live_bytes -= row.at.bytes;
  if (state::partition_row* partition = tables_.partitions.edit(row.to)) {
    partition->waiting -= 1;
    partition->waiting_bytes -= row.at.bytes;
  } else {
    tables_.garbage.edit({row.to.topic, partition_id(0)})->timers -= 1;
  }
}

effect state_machine::on(const fire_command& c, journal::place) {
  effect fired;
  if (c.timers.empty()) return fired;
  // They lie side by side, but for those that are gone: one scan finds them all.
  std::vector<parked> due;
  due.reserve(c.timers.size());
  auto wanted = c.timers.begin();
  tables_.timers.scan(c.timers.front(), [&](const timer_key& key, const timer_row& row) {
    while (wanted != c.timers.end() && *wanted < key) ++wanted;
    if (wanted == c.timers.end()) return false;
    if (*wanted == key) due.emplace_back(key, row);
    return true;
  });
  fired.appends.reserve(due.size());
  for (const auto& [key, row] : due) {
    drop_timer(key, row);
    state::partition_row* partition = tables_.partitions.edit(row.to);
    if (partition == nullptr) continue;  // its topic has been deleted
    committed_append done{.to = row.to, .base_offset = partition->end, .records = 1, .bytes = row.at.bytes};
    done.version = store_batch(as_append(row, c.now), row.at, *partition, c.now);
    fired.appends.push_back(done);
  }
  return fired;
}

bool state_machine::refuses_timers(const commit_command& c, staged& noted, effect& outcome) const {
  for (std::uint32_t i = 0; i < c.timers.size(); ++i) {
    const timer_change& change = c.timers[i];
    const auto found = named_timer(change.of);
    const bool there = found && tables_.topics.find(found->second.to.topic) != nullptr &&
                       !noted.cancelled.contains(change.of);
    if (!there && !change.if_exists) {
      outcome.refused = {commit_part::kind::timer, i};
      outcome.why = {errc::unknown_timer, "there is no timer " + shown(change.of) +
                                              ": it has fired, was cancelled, or was never set"};
      return true;
    }
    if (change.what != timer_change::kind::cancel) continue;
    noted.cancelled.insert(change.of);
    if (found) noted.forget(found->second.to, found->second.message_id);
  }
  return false;
}

void state_machine::replace_timer(const append_command& c, staged& noted) const {
  if (c.terms == nullptr || c.terms->timer_name.empty()) return;
  const timer_name_key name{c.terms->timer_owner, c.terms->timer_name};
  if (const auto earlier = noted.timers.find(name); earlier != noted.timers.end()) {
    noted.forget(earlier->second.of, earlier->second.text);
  } else if (!noted.cancelled.contains(name)) {
    if (const auto replaced = named_timer(name))
      noted.forget(replaced->second.to, replaced->second.message_id);
  }
  noted.timers.insert_or_assign(name, state::text_key{c.to, waits(c) ? c.terms->message_id : std::string()});
}

void state_machine::change_timer(const timer_change& c, std::optional<timestamp>& earliest_due) {
  auto found = named_timer(c.of);
  if (!found) return;
  auto& [key, row] = *found;
  if (c.what == timer_change::kind::cancel) return drop_timer(key, row);
  if (tables_.topics.find(row.to.topic) == nullptr) return;
  tables_.timers.erase(key);
  key.due = c.due;
  tables_.timer_names.put(c.of, {key});
  tables_.places.put({row.at.segment, row.at.position}, {key});
  tables_.timers.put(key, std::move(row));
  earliest_due = std::min(earliest_due.value_or(state::never), c.due);
}

std::size_t state_machine::collect_timers(const state::partition_key& of, std::size_t rows_max) {
  state::garbage_row& garbage = *tables_.garbage.edit(of);
  if (garbage.timers == 0) return 0;
  std::vector<parked> rows;
  std::size_t looked_at = 0;
  tables_.timers.scan(garbage.timers_from, [&](const timer_key& key, const timer_row& row) {
    garbage.timers_from = key;
    if (looked_at == rows_max) return false;
    ++looked_at;
    if (row.to.topic == of.topic) rows.emplace_back(key, row);
    return true;
  });
  for (const auto& [key, row] : rows) drop_timer(key, row);
  return looked_at;
}

}  // namespace skald::shard
