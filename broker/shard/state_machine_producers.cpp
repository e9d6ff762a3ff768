// Who is given which identity, and who has lost a name. state_machine.hpp states the rules.
#include <limits>
#include <utility>
#include <vector>

#include "broker/shard/state_machine.hpp"

namespace skald::shard {

using state::named_producer_row;
using state::producer_identity;
using state::producer_key;

namespace {

constexpr producer_epoch epoch_max{std::numeric_limits<std::uint16_t>::max()};
// So often, at most, does a batch change the row of its producer's name.
constexpr std::chrono::minutes use_noted_every{1};

std::string numbers_of(producer_id id, producer_epoch epoch) {
  return "producer " + std::to_string(id.value()) + " with epoch " + std::to_string(epoch.value());
}

failure taken_over(const std::string& name, producer_id id, producer_epoch epoch) {
  return {errc::fenced_producer, "another producer has taken over the name '" + name + "' from " +
                                     numbers_of(id, epoch) + "; this instance of it has to stop"};
}

failure forgotten(producer_id id, producer_epoch epoch) {
  return {errc::fenced_producer, numbers_of(id, epoch) +
                                     " has its name no more: another has taken it over, or it was not used "
                                     "for so long that it was forgotten; this instance of it has to stop"};
}

}  // namespace

producer_id state_machine::new_producer_id() {
  const producer_id next = tables_.meta.next_producer;
  tables_.meta.next_producer = producer_id(next.value() + 1);
  return next;
}

effect state_machine::on(const init_producer_command& c, journal::place) {
  if (!c.name.empty()) return give_name(c);
  effect made;
  made.producer.id = new_producer_id();
  return made;
}

effect state_machine::give_name(const init_producer_command& c) {
  effect made;
  const auto holder = producers_by_name_.find(c.name);
  if (holder != producers_by_name_.end()) {
    const named_producer_row& row = *tables_.named_producers.find(holder->second);
    made.producer = {holder->second, row.epoch};
    // Asked again, because the first answer was lost on its way.
    if (c.renews && row.renews.id != producer_id() && *c.renews == row.renews) return made;
  } else if (!c.renews && tables_.named_producers.size() >= c.names_max) {
    made.why = {errc::overloaded, "there are " + std::to_string(c.names_max) +
                                      " names of producers already; use fewer, or wait until those that are "
                                      "not used any more have been forgotten"};
    return made;
  }
  if (c.renews && *c.renews != made.producer) {
    made.why = taken_over(c.name, c.renews->id, c.renews->epoch);
    return made;
  }
  const producer_identity before = made.producer;
  if (holder != producers_by_name_.end() && before.epoch < epoch_max) {
    made.producer.epoch = producer_epoch(static_cast<std::uint16_t>(before.epoch.value() + 1));
  } else {
    tables_.named_producers.erase(before.id);
    made.producer = {producer_id(state::first_named_producer.value() + new_producer_id().value()), {}};
  }
  tables_.named_producers.put(made.producer.id,
                              {c.name, made.producer.epoch, c.now, c.renews.value_or(producer_identity{})});
  producers_by_name_.insert_or_assign(c.name, made.producer.id);
  return made;
}

failure state_machine::fenced(producer_id by, producer_epoch epoch) const {
  if (by < state::first_named_producer) return {};
  const named_producer_row* row = tables_.named_producers.find(by);
  if (row == nullptr) return forgotten(by, epoch);
  if (row->epoch == epoch) return {};
  return taken_over(row->name, by, epoch);
}

void state_machine::note_use(producer_id by, timestamp now) {
  if (by < state::first_named_producer) return;
  const named_producer_row* row = tables_.named_producers.find(by);
  if (row != nullptr && now >= row->last_seen + use_noted_every)
    tables_.named_producers.edit(by)->last_seen = now;
}

// ---- forgetting ----

effect state_machine::on(const expire_producers_command& c, journal::place) {
  std::vector<producer_key> idle;
  tables_.producers.scan(c.first, [&](const producer_key& key, const state::producer_row& row) {
    if (key > c.last) return false;
    if (row.last_seen < c.cutoff) idle.push_back(key);
    return true;
  });
  for (const producer_key& key : idle) tables_.producers.erase(key);
  return {};
}

effect state_machine::on(const expire_named_producers_command& c, journal::place) {
  std::vector<producer_id> idle;
  for (auto at = tables_.named_producers.lower_bound(c.first); at != tables_.named_producers.end(); ++at) {
    const auto [id, row] = *at;
    if (id > c.last) break;
    if (row.last_seen < c.cutoff) idle.push_back(id);
  }
  for (const producer_id id : idle) {
    producers_by_name_.erase(tables_.named_producers.find(id)->name);
    tables_.named_producers.erase(id);
  }
  return {};
}

}  // namespace skald::shard
