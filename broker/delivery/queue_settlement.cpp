// Leases, how they end, and what follows from that.
#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "broker/delivery/queue_dispatcher.hpp"

namespace skald::delivery {

void queue_dispatcher::add_lease(const item& records, consumer_id to, consumer& holder, moment now,
                                 std::vector<leased_run>& out) {
  const std::uint64_t id = ++last_lease_;
  const auto count = static_cast<std::uint32_t>(records.end - records.first);
  const moment until = now + settings_.lease;
  leases_.emplace(id,
                  lease{to, records.partition, records.attempts + 1, {{records.first, records.end, until}}});
  expect_deadline(until, id);
  holder.leases.insert(id);
  holder.leased += count;
  leased_ += count;
  out.push_back({to, lease_id(id), records.partition, records.first, count, records.attempts + 1});
}

void queue_dispatcher::expect_deadline(moment at, std::uint64_t of) {
  deadlines_.emplace(at, of);
  // Leases that are settled or extended in time leave deadlines behind.
  constexpr std::size_t few = 1024;
  if (deadlines_.size() <= 2 * deadlines_needed_ + few) return;
  std::vector<deadline> left;
  for (const auto& [id, one] : leases_)
    for (const piece& records : one.pieces) left.emplace_back(records.deadline, id);
  deadlines_needed_ = left.size();
  deadlines_ = decltype(deadlines_)(std::greater<>(), std::move(left));
}

void queue_dispatcher::forget_lease(leases::iterator which) {
  const auto holder = consumers_.find(which->second.holder.value());
  if (holder != consumers_.end()) holder->second.leases.erase(which->first);
  leases_.erase(which);
}

namespace {

// Whether the pieces, which are in order, have all of [first, end) between them.
bool cover(const auto& pieces, offset first, offset end) {
  if (first >= end) return false;
  for (const auto& piece : pieces) {
    if (piece.end <= first) continue;
    if (piece.first > first) return false;
    first = piece.end;
    if (first >= end) return true;
  }
  return false;
}

// Takes [first, end) out of the pieces.
void cut(auto& pieces, offset first, offset end) {
  for (std::size_t i = 0; i < pieces.size();) {
    auto& piece = pieces[i];
    if (piece.end <= first || piece.first >= end) {
      ++i;
    } else if (piece.first < first && piece.end > end) {
      auto rest = piece;
      rest.first = end;
      piece.end = first;
      pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(i) + 1, rest);
      return;
    } else if (piece.first < first) {
      piece.end = first;
      ++i;
    } else if (piece.end > end) {
      piece.first = end;
      return;
    } else {
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

}  // namespace

bool queue_dispatcher::settle(consumer_id by, const lease_ref& what, settlement how,
                              std::optional<moment> delay, std::string_view reason, moment now,
                              std::vector<verdict>& out) {
  const auto found = leases_.find(what.lease.value());
  if (found == leases_.end() || found->second.holder != by) return false;
  lease& of = found->second;
  if (!cover(of.pieces, what.first, what.end)) return false;
  cut(of.pieces, what.first, what.end);
  const auto count = static_cast<std::uint32_t>(what.end - what.first);
  leased_ -= count;
  consumer& holder = consumers_.at(by.value());
  holder.leased -= count;

  switch (how) {
    case settlement::ack:
      give_verdict({.is = verdict::kind::settled,
                    .partition = of.partition,
                    .first = what.first,
                    .end = what.end,
                    .attempts = of.attempt,
                    .reason = {}},
                   out);
      break;
    case settlement::nack:
      failed(of, what.first, what.end, now + delay.value_or(backoff(of.attempt)), reason, out);
      break;
    case settlement::reject:
      give_verdict({.is = verdict::kind::dead,
                    .partition = of.partition,
                    .first = what.first,
                    .end = what.end,
                    .attempts = of.attempt,
                    .reason = std::string(reason)},
                   out);
      break;
    case settlement::release:
      make_ready({of.partition, what.first, what.end, of.attempt - 1, {}});
      break;
  }
  if (of.pieces.empty()) forget_lease(found);
  feel_hungry(by, holder);
  return true;
}

bool queue_dispatcher::extend(consumer_id by, const lease_ref& what, moment until) {
  const auto found = leases_.find(what.lease.value());
  if (found == leases_.end() || found->second.holder != by) return false;
  std::vector<piece>& pieces = found->second.pieces;
  if (!cover(pieces, what.first, what.end)) return false;
  cut(pieces, what.first, what.end);
  const auto next =
      std::find_if(pieces.begin(), pieces.end(), [&](const piece& one) { return one.first >= what.end; });
  pieces.insert(next, {what.first, what.end, until});
  expect_deadline(until, found->first);
  return true;
}

// ---- commits ----

std::optional<set_aside_records> queue_dispatcher::set_aside(consumer_id by, const lease_ref& what) {
  const auto found = leases_.find(what.lease.value());
  if (found == leases_.end() || found->second.holder != by) return std::nullopt;
  lease& of = found->second;
  if (!cover(of.pieces, what.first, what.end)) return std::nullopt;
  set_aside_records taken{by, what.lease, of.partition, what.first, what.end, of.attempt, moment::max()};
  for (const piece& one : of.pieces)
    if (one.end > what.first && one.first < what.end) taken.deadline = std::min(taken.deadline, one.deadline);
  cut(of.pieces, what.first, what.end);
  const auto count = static_cast<std::uint32_t>(what.end - what.first);
  leased_ -= count;
  in_limbo_ += count;
  consumer& holder = consumers_.at(by.value());
  holder.leased -= count;
  if (of.pieces.empty()) forget_lease(found);
  feel_hungry(by, holder);
  return taken;
}

void queue_dispatcher::acknowledged(const set_aside_records& what, moment now) {
  done({.is = verdict::kind::settled,
        .partition = what.partition,
        .first = what.first,
        .end = what.end,
        .attempts = what.attempt,
        .reason = {}},
       now);
}

void queue_dispatcher::give_back(const set_aside_records& what, moment now, std::vector<verdict>& out) {
  in_limbo_ -= what.end - what.first;
  const offset first = std::max(what.first, at(what.partition).gone_before);
  if (first >= what.end) return;
  const auto holder = consumers_.find(what.by.value());
  if (holder == consumers_.end() || what.deadline <= now) {
    const lease gone{what.by, what.partition, what.attempt, {}};
    const bool expired = holder != consumers_.end();
    return failed(gone, first, what.end, now, expired ? "the lease ran out" : "the consumer has gone", out);
  }
  lease& of =
      leases_.try_emplace(what.lease.value(), lease{what.by, what.partition, what.attempt, {}}).first->second;
  const auto next = std::find_if(of.pieces.begin(), of.pieces.end(),
                                 [&](const piece& one) { return one.first >= what.end; });
  of.pieces.insert(next, {first, what.end, what.deadline});
  const auto count = static_cast<std::uint32_t>(what.end - first);
  holder->second.leases.insert(what.lease.value());
  holder->second.leased += count;
  leased_ += count;
  expect_deadline(what.deadline, what.lease.value());
}

void queue_dispatcher::expire(moment now, std::vector<verdict>& out) {
  while (!deadlines_.empty() && deadlines_.top().first <= now) {
    const std::uint64_t id = deadlines_.top().second;
    deadlines_.pop();
    const auto found = leases_.find(id);
    if (found == leases_.end()) continue;
    lease& of = found->second;
    consumer& holder = consumers_.at(of.holder.value());
    std::vector<piece> left;
    for (const piece& one : of.pieces) {
      if (one.deadline > now) {
        left.push_back(one);
        continue;
      }
      const auto count = static_cast<std::uint32_t>(one.end - one.first);
      leased_ -= count;
      holder.leased -= count;
      failed(of, one.first, one.end, now, "the lease ran out", out);
    }
    const consumer_id id_of_holder = of.holder;
    of.pieces = std::move(left);
    if (of.pieces.empty()) forget_lease(found);
    feel_hungry(id_of_holder, holder);
  }
  load_parked(now);
}

void queue_dispatcher::remove_consumer(consumer_id id, bool counted, std::string_view reason, moment now,
                                       std::vector<verdict>& out) {
  const auto found = consumers_.find(id.value());
  if (found == consumers_.end()) return;
  std::vector<std::uint64_t> held(found->second.leases.begin(), found->second.leases.end());
  std::sort(held.begin(), held.end());
  for (const std::uint64_t one : held) {
    const auto of = leases_.find(one);
    for (const piece& records : of->second.pieces) {
      leased_ -= records.end - records.first;
      if (counted) {
        failed(of->second, records.first, records.end, now, reason, out);
      } else {
        make_ready({of->second.partition, records.first, records.end, of->second.attempt - 1, {}});
      }
    }
    leases_.erase(of);
  }
  consumers_.erase(found);
  std::erase(hungry_, id);
}

// ---- verdicts ----

void queue_dispatcher::failed(const lease& of, offset first, offset end, moment due, std::string_view reason,
                              std::vector<verdict>& out) {
  const bool again = of.attempt < settings_.max_attempts;
  give_verdict({.is = again ? verdict::kind::retry : verdict::kind::dead,
                .partition = of.partition,
                .first = first,
                .end = end,
                .attempts = of.attempt,
                .due = due,
                .reason = std::string(reason)},
               out);
}

void queue_dispatcher::give_verdict(verdict what, std::vector<verdict>& out) {
  in_limbo_ += what.end - what.first;
  out.push_back(std::move(what));
}

moment queue_dispatcher::backoff(std::uint32_t attempts) const {
  moment delay = settings_.backoff_min;
  for (std::uint32_t i = 1; i < attempts && delay < settings_.backoff_max; ++i) delay *= 2;
  return std::min(delay, settings_.backoff_max);
}

void queue_dispatcher::done(const verdict& what, moment now) {
  in_limbo_ -= what.end - what.first;
  partition_state& of = at(what.partition);
  const offset first = std::max(what.first, of.gone_before);
  if (first >= what.end) return;
  if (what.is == verdict::kind::retry) {
    place({what.partition, first, what.end, what.attempts, what.due}, now);
  } else {
    free_keys(of, what.partition, first, what.end, now);
  }
}

void queue_dispatcher::undone(const verdict& what, moment now, moment pause) {
  in_limbo_ -= what.end - what.first;
  const offset first = std::max(what.first, at(what.partition).gone_before);
  if (first >= what.end) return;
  pausing_.emplace(now + pause, item{what.partition, first, what.end, what.attempts - 1, {}});
}

// ---- records that are gone ----

void queue_dispatcher::drop_before(partition_id p, offset floor) {
  partition_state& of = at(p);
  of.gone_before = std::max(of.gone_before, floor);
  std::vector<leases::iterator> empty;
  for (auto each = leases_.begin(); each != leases_.end(); ++each) {
    lease& one = each->second;
    if (one.partition != p || one.pieces.front().first >= floor) continue;
    std::uint32_t before = 0;
    for (const piece& records : one.pieces)
      if (records.first < floor)
        before += static_cast<std::uint32_t>(std::min(records.end, floor) - records.first);
    leased_ -= before;
    consumer& holder = consumers_.at(one.holder.value());
    holder.leased -= before;
    cut(one.pieces, offset(), floor);
    feel_hungry(one.holder, holder);
    if (one.pieces.empty()) empty.push_back(each);
  }
  for (const leases::iterator one : empty) forget_lease(one);

  const auto rest_of = [floor](item records) {
    records.first = std::max(records.first, floor);
    return records;
  };
  std::vector<item> keep;
  while (!of.ready.empty() && of.ready.begin()->first < floor) {
    const auto first = of.ready.begin();
    const item records{p, first->first, first->second.end, first->second.attempts, {}};
    ready_ -= records.end - records.first;
    of.ready.erase(first);
    if (records.end > floor) keep.push_back(rest_of(records));
  }
  for (const item& records : keep) make_ready(records);
  std::erase_if(parked_,
                [&](const auto& one) { return one.second.partition == p && one.second.end <= floor; });
  for (auto& [key, records] : parked_)
    if (records.partition == p) records.first = std::max(records.first, floor);
  std::erase_if(pausing_,
                [&](const auto& one) { return one.second.partition == p && one.second.end <= floor; });
  for (auto& [key, records] : pausing_)
    if (records.partition == p) records.first = std::max(records.first, floor);

  if (of.cursor < floor) {
    unfeed(p);
    of.cursor = of.fed_end = floor;
    of.knows_next = false;
  }
  // Of those that waited for a key, the first that is still there takes it over.
  if (!settings_.ordered_by_key) return;
  for (auto& [key, waiting] : of.held) {
    const std::size_t before = waiting.size();
    std::erase_if(waiting, [&](const item& one) { return one.first < floor; });
    waiting_ -= before - waiting.size();
  }
  std::vector<std::uint64_t> holders;
  for (const auto& [record, key] : of.key_of)
    if (record < floor.value()) holders.push_back(record);
  std::sort(holders.begin(), holders.end());
  for (const std::uint64_t record : holders) free_keys(of, p, offset(record), offset(record + 1), moment(0));
}

}  // namespace skald::delivery
