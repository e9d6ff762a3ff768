// Consumers, partitions, and how records are taken; what becomes of them is in queue_settlement.cpp.
#include "broker/delivery/queue_dispatcher.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace skald::delivery {

queue_dispatcher::queue_dispatcher(dispatch_settings settings, queue_history& history, limits within)
    : settings_(settings), history_(history), limits_(within) {}

void queue_dispatcher::alter(dispatch_settings settings) {
  settings.ordered_by_key = settings_.ordered_by_key;
  settings_ = settings;
}

// ---- partitions ----

void queue_dispatcher::add_partition(offset floor) {
  partition_state added;
  added.cursor = added.fed_end = added.gone_before = floor;
  partitions_.push_back(std::move(added));
}

bool queue_dispatcher::wants_records(partition_id p) const {
  const partition_state& of = at(p);
  const std::size_t not_leased = keys_held_ - std::min<std::size_t>(keys_held_, leased_);
  return !hungry_.empty() && of.cursor == of.fed_end && waiting_ + not_leased < limits_.waiting_records;
}

offset queue_dispatcher::read_from(partition_id p) {
  partition_state& of = at(p);
  // What is settled need not be read.
  while (of.cursor == of.fed_end) {
    const std::optional<known_range>& known = next_known(of, p);
    if (!known || !known->settled || known->first > of.cursor) break;
    of.cursor = of.fed_end = known->end;
    of.knows_next = false;
  }
  return of.fed_end;
}

void queue_dispatcher::feed(partition_id p, offset end, std::span<const std::uint64_t> keys) {
  partition_state& of = at(p);
  if (end <= of.fed_end) return;
  assert(!settings_.ordered_by_key || keys.size() == end - of.fed_end);
  unread_ += end - of.fed_end;
  of.fed_end = end;
  of.knows_next = false;
  if (settings_.ordered_by_key) of.keys.insert(of.keys.end(), keys.begin(), keys.end());
  offer(p);
}

void queue_dispatcher::unfeed(partition_id p) {
  partition_state& of = at(p);
  unread_ -= of.fed_end - of.cursor;
  of.fed_end = of.cursor;
  of.keys.clear();
}

void queue_dispatcher::offer(partition_id p) {
  if (std::exchange(at(p).offering, true)) return;
  offering_.push_back(p);
}

// ---- consumers ----

void queue_dispatcher::add_consumer(consumer_id id, std::uint32_t prefetch) {
  consumer& added = consumers_[id.value()];
  added.prefetch = std::max(prefetch, 1u);
  feel_hungry(id, added);
}

void queue_dispatcher::pause(consumer_id id, bool paused) {
  const auto found = consumers_.find(id.value());
  if (found == consumers_.end()) return;
  found->second.paused = paused;
  feel_hungry(id, found->second);
}

void queue_dispatcher::feel_hungry(consumer_id id, consumer& one) {
  if (one.hungry || !has_room(one)) return;
  one.hungry = true;
  hungry_.push_back(id);
}

// What is there is shared among those who have room for it, so that the first does not get it all.
std::uint32_t queue_dispatcher::quantum(const consumer& one) const {
  const std::uint64_t at_hand = ready_ + unread_;
  const std::uint64_t share = (at_hand + hungry_.size()) / (hungry_.size() + 1);
  const std::uint64_t most = std::min(one.prefetch - one.leased, limits_.run_records);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(share, 1, most));
}

// ---- taking ----

void queue_dispatcher::dispatch(moment now, std::vector<leased_run>& out) {
  load_parked(now);
  while (!hungry_.empty()) {
    const consumer_id id = hungry_.front();
    hungry_.pop_front();
    const auto found = consumers_.find(id.value());
    if (found == consumers_.end()) continue;
    consumer& one = found->second;
    one.hungry = false;
    if (!has_room(one)) continue;
    const auto records = take(now, quantum(one));
    if (!records) {
      one.hungry = true;
      hungry_.push_front(id);
      return;
    }
    add_lease(*records, id, one, now, out);
    feel_hungry(id, one);
  }
}

std::optional<queue_dispatcher::item> queue_dispatcher::take(moment now, std::uint32_t records_max) {
  while (!offering_.empty()) {
    const partition_id p = offering_.front();
    offering_.pop_front();
    partition_state& from = at(p);
    from.offering = false;
    auto taken = take_ready(from, p, records_max);
    if (!taken) taken = take_unread(from, p, now, records_max);
    if (!taken) continue;
    if (!from.ready.empty() || from.cursor < from.fed_end) offer(p);
    return taken;
  }
  return std::nullopt;
}

std::optional<queue_dispatcher::item> queue_dispatcher::take_ready(partition_state& from, partition_id p,
                                                                   std::uint32_t records_max) {
  if (from.ready.empty()) return std::nullopt;
  const auto first = from.ready.begin();
  item taken{p, first->first, first->second.end, first->second.attempts, {}};
  from.ready.erase(first);
  if (taken.end - taken.first > records_max) {
    const offset cut = taken.first + records_max;
    from.ready.emplace(cut, ready_range{taken.end, taken.attempts});
    taken.end = cut;
  }
  ready_ -= taken.end - taken.first;
  return taken;
}

std::optional<queue_dispatcher::item> queue_dispatcher::take_unread(partition_state& from, partition_id p,
                                                                    moment now, std::uint32_t records_max) {
  while (from.cursor < from.fed_end) {
    const std::optional<known_range>& known = next_known(from, p);
    if (known && known->first <= from.cursor) {
      pass_known(from, p, now);
      if (auto taken = take_ready(from, p, records_max)) return taken;
      continue;
    }
    const offset limit = known ? std::min(known->first, from.fed_end) : from.fed_end;
    if (settings_.ordered_by_key) {
      if (waiting_ >= limits_.waiting_records) return std::nullopt;
      if (auto taken = take_ordered(from, p, limit, records_max)) return taken;
      continue;
    }
    const offset end = std::min(limit, from.cursor + records_max);
    const item taken{p, from.cursor, end, 0, {}};
    unread_ -= end - from.cursor;
    from.cursor = end;
    return taken;
  }
  return std::nullopt;
}

// A run of records whose keys are free; those whose keys are held are left behind to wait.
std::optional<queue_dispatcher::item> queue_dispatcher::take_ordered(partition_state& from, partition_id p,
                                                                     offset limit,
                                                                     std::uint32_t records_max) {
  item taken{p, from.cursor, from.cursor, 0, {}};
  while (from.cursor < limit && taken.end - taken.first < records_max && waiting_ < limits_.waiting_records) {
    const item record{p, from.cursor, from.cursor + 1, 0, {}};
    const bool free = hold_key(from, record);
    from.keys.pop_front();
    from.cursor += 1;
    --unread_;
    if (free) {
      taken.end = from.cursor;
    } else if (taken.end > taken.first) {
      return taken;
    } else {
      taken.first = taken.end = from.cursor;
    }
  }
  return taken.end > taken.first ? std::optional(taken) : std::nullopt;
}

// ---- what the history knows ahead of the cursor ----

// Nothing new comes up there by itself: only what was given out gets a history.
const std::optional<known_range>& queue_dispatcher::next_known(partition_state& of, partition_id p) {
  if (!of.knows_next) {
    of.next_known = history_.next(p, of.cursor);
    of.knows_next = true;
  }
  return of.next_known;
}

// The cursor is in a known range; moves it on, at most to the range's end.
void queue_dispatcher::pass_known(partition_state& of, partition_id p, moment now) {
  const known_range known = *of.next_known;
  const bool whole = !settings_.ordered_by_key && (known.settled || known.due > now);
  const offset end = whole ? known.end : std::min(known.end, of.fed_end);
  const offset first = of.cursor;
  unread_ -= std::min(end, of.fed_end) - first;
  of.cursor = end;
  of.fed_end = std::max(of.fed_end, end);
  if (end == known.end) of.knows_next = false;
  if (!settings_.ordered_by_key) {
    if (!known.settled) place({p, first, end, known.attempts, known.due}, now);
    return;
  }
  for (offset record = first; record < end; record += 1) {
    const item one{p, record, record + 1, known.attempts, known.due};
    if (!known.settled && hold_key(of, one)) place(one, now);
    of.keys.pop_front();
  }
}

// ---- keys ----

// Whether the record at the front of `keys` may go; otherwise it waits behind the one that holds its key.
bool queue_dispatcher::hold_key(partition_state& of, const item& record) {
  const std::uint64_t key = of.keys.front();
  if (key == 0) return true;
  const auto [held, free] = of.held.try_emplace(key);
  if (free) {
    of.key_of.emplace(record.first.value(), key);
    ++keys_held_;
  } else {
    held->second.push_back(record);
    ++waiting_;
  }
  return free;
}

void queue_dispatcher::free_keys(partition_state& of, partition_id p, offset first, offset end, moment now) {
  if (!settings_.ordered_by_key) return;
  for (offset record = first; record < end; record += 1) {
    const auto mine = of.key_of.find(record.value());
    if (mine == of.key_of.end()) continue;
    const auto held = of.held.find(mine->second);
    of.key_of.erase(mine);
    if (held->second.empty()) {
      of.held.erase(held);
      --keys_held_;
      continue;
    }
    const item next = held->second.front();
    held->second.pop_front();
    --waiting_;
    of.key_of.emplace(next.first.value(), held->first);
    place(next, now);
  }
  if (of.cursor < of.fed_end) offer(p);  // it may have stopped because too many were waiting
}

// ---- ready and parked ----

void queue_dispatcher::place(const item& records, moment now) {
  if (records.due > now) {
    park(records);
  } else {
    make_ready(records);
  }
}

void queue_dispatcher::make_ready(const item& records) {
  at(records.partition).ready.emplace(records.first, ready_range{records.end, records.attempts});
  ready_ += records.end - records.first;
  offer(records.partition);
}

void queue_dispatcher::park(const item& records) {
  const parked_key key{records.due, records.partition, records.first};
  if (far_ && key >= *far_) return;
  parked_.emplace(key, records);
  // The keys of ordered records are in memory in any case.
  if (settings_.ordered_by_key || parked_.size() <= limits_.parked_records) return;
  far_ = std::prev(parked_.end())->first;
  parked_.erase(std::prev(parked_.end()));
}

// Makes ready what is due, and fetches what has come near from the history.
void queue_dispatcher::load_parked(moment now) {
  while (!pausing_.empty() && pausing_.begin()->first <= now) {
    make_ready(pausing_.begin()->second);
    pausing_.erase(pausing_.begin());
  }
  if (unparking_) return;
  while (true) {
    while (!parked_.empty() && std::get<moment>(parked_.begin()->first) <= now) {
      make_ready(parked_.begin()->second);
      parked_.erase(parked_.begin());
    }
    if (!far_ || !parked_.empty()) return;
    const auto cursor = [this](partition_id p) { return at(p).cursor; };
    const std::size_t batch = std::max<std::size_t>(limits_.parked_records / 2, 1);
    const std::vector<known_range> loaded = history_.parked(*far_, batch, cursor);
    for (const known_range& one : loaded) {
      const item records{one.partition, one.first, std::min(one.end, cursor(one.partition)), one.attempts,
                         one.due};
      parked_.emplace(parked_key{one.due, one.partition, one.first}, records);
    }
    if (loaded.size() < batch) {
      far_.reset();
    } else {
      const known_range& last = loaded.back();
      far_ = parked_key{last.due, last.partition, last.first + 1};
    }
  }
}

void queue_dispatcher::end_unpark(moment at_due) {
  unparking_ = false;
  if (settings_.ordered_by_key) {
    // All of them are in memory.
    for (const auto& [key, records] : std::exchange(parked_, {})) make_ready(records);
    return;
  }
  const parked_key from{at_due, partition_id(0), offset(0)};
  parked_.erase(parked_.lower_bound(from), parked_.end());
  far_ = from;
}

std::optional<moment> queue_dispatcher::next_event() const {
  std::optional<moment> next;
  const auto consider = [&](moment at) { next = next ? std::min(*next, at) : at; };
  if (!deadlines_.empty()) consider(deadlines_.top().first);
  if (!pausing_.empty()) consider(pausing_.begin()->first);
  if (unparking_) return next;
  if (!parked_.empty()) {
    consider(std::get<moment>(parked_.begin()->first));
  } else if (far_) {
    consider(std::get<moment>(*far_));
  }
  return next;
}

queue_dispatcher::counts queue_dispatcher::count() const {
  return {leased_, ready_, waiting_, deadlines_.size()};
}

}  // namespace skald::delivery
