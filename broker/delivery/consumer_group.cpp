#include "broker/delivery/consumer_group.hpp"

#include <algorithm>
#include <cassert>

namespace skald::delivery {

consumer_group::consumer_group(topic_finder find, std::function<std::uint64_t()> new_id)
    : find_(std::move(find)), new_id_(std::move(new_id)) {}

void consumer_group::hold_until(steady_time when) {
  hold_until_ = when;
  dues_.emplace(when, due{});
}

// ---- members -------------------------------------------------------------------------------------------

membership consumer_group::join(const join_request& who, steady_time now) {
  auto found = members_.find(who.member);
  if (!who.instance.empty()) {
    const auto named = instances_.find(who.instance);
    found = named == instances_.end() ? members_.end() : members_.find(named->second);
  }
  if (found != members_.end()) {
    const member& known = found->second;
    const bool same = known.in->like.text() == who.subscription && known.instance == who.instance;
    if (same) return return_of(found->second, who, now);
    // It wants something else than before: all of it is given up, and it begins anew.
    join_request anew = who;
    anew.member = known.is.member;
    anew.epoch = std::max(known.is.epoch, who.epoch);
    if (known.connected) tell(known, group_effect::kind::end, {}, errc::fenced_member);
    remove(found->second, now);
    return join(anew, now);
  }
  member& added = add(who, now);
  claim(added, who.claims);
  if (!holding(now)) {
    settle(now);
    level(*added.in, now);
  }
  return added.is;
}

consumer_group::member& consumer_group::add(const join_request& who, steady_time now) {
  member_id id = who.member;
  while (id == nobody || members_.contains(id)) id = member_id(new_id_());
  audience& in = audience_of(who.subscription);
  member& added = members_[id];
  added.is = {id, member_epoch(who.epoch.value() + 1)};
  added.instance = who.instance;
  added.in = &in;
  added.session_timeout = who.session_timeout;
  added.release_timeout = who.release_timeout;
  added.heard = now;
  in.by_load.emplace(0, id);
  if (!who.instance.empty()) instances_[who.instance] = id;
  dues_.emplace(now + added.session_timeout, due{added.is, {}});
  return added;
}

// A member with a new connection, or a new process of a static one.
membership consumer_group::return_of(member& who, const join_request& again, steady_time now) {
  if (who.connected) tell(who, group_effect::kind::end, {}, errc::fenced_member);
  who.is.epoch = member_epoch(std::max(who.is.epoch.value(), again.epoch.value()) + 1);
  who.connected = true;
  who.heard = now;
  who.session_timeout = again.session_timeout;
  who.release_timeout = again.release_timeout;
  dues_.emplace(now + who.session_timeout, due{who.is, {}});
  const bool same_process = again.member == who.is.member;
  // A new process has nothing under way.
  if (!same_process) {
    for (const partition_ref of : std::set(who.leaving)) take_from_owner(of);
    // It begins where the commits of the old one end, and so after them.
    for (const auto& [of, commits] : committing_) {
      if (who.settled.erase(of) == 0) continue;
      who.pending.insert(of);
      partitions_.at(of).owner = nobody;
    }
  }
  for (const partition_ref of : who.settled) tell(who, group_effect::kind::assign, of);
  for (const partition_ref of : who.leaving) tell(who, group_effect::kind::revoke, of);
  return who.is;
}

void consumer_group::claim(member& who, const std::vector<partition_ref>& claims) {
  for (const partition_ref of : claims) {
    const auto found = partitions_.find(of);
    if (found == partitions_.end() || found->second.target != nobody || found->second.owner != nobody)
      continue;
    if (!who.in->topics.contains(of.topic)) continue;
    unplaced_.erase(of);
    const std::size_t before = who.load();
    found->second.target = who.is.member;
    who.pending.insert(of);
    update_load(who, before);
    grant_if_free(of);
  }
}

errc consumer_group::check(const membership& who) const {
  const auto found = members_.find(who.member);
  if (found == members_.end()) return errc::unknown_member;
  return found->second.is.epoch == who.epoch ? errc::ok : errc::fenced_member;
}

errc consumer_group::heartbeat(const membership& who, steady_time now) {
  const errc why = check(who);
  if (why == errc::ok) members_.at(who.member).heard = now;
  return why;
}

errc consumer_group::leave(const membership& who, steady_time now) {
  const errc why = check(who);
  if (why == errc::ok) remove(members_.at(who.member), now);
  return why;
}

errc consumer_group::release(const membership& who, const std::vector<partition_ref>& given_back,
                             steady_time now) {
  const errc why = check(who);
  if (why != errc::ok) return why;
  member& of = members_.at(who.member);
  of.heard = now;
  for (const partition_ref one : given_back) {
    if (of.leaving.contains(one)) take_from_owner(one);
  }
  return errc::ok;
}

void consumer_group::connection_lost(const membership& who) {
  if (check(who) == errc::ok) members_.at(who.member).connected = false;
}

void consumer_group::remove(member& gone, steady_time now) {
  const member_id id = gone.is.member;
  std::vector<partition_ref> orphans(gone.settled.begin(), gone.settled.end());
  orphans.insert(orphans.end(), gone.pending.begin(), gone.pending.end());
  for (const partition_ref of : orphans) {
    partition& it = partitions_.at(of);
    it.target = nobody;
    if (it.owner == id) it.owner = nobody;
    unplaced_.insert(of);
  }
  for (const partition_ref of : gone.leaving) partitions_.at(of).owner = nobody;
  const std::set<partition_ref> freed = std::move(gone.leaving);
  leave_audience(gone);
  if (!gone.instance.empty()) instances_.erase(gone.instance);
  members_.erase(id);
  for (const partition_ref of : freed) {
    if (partitions_.contains(of)) grant_if_free(of);
  }
  if (!holding(now)) settle(now);
}

std::vector<member_info> consumer_group::members(member_id after, std::size_t limit) const {
  std::vector<member_info> listed;
  for (auto at = members_.upper_bound(after); at != members_.end() && listed.size() < limit; ++at) {
    const member& is = at->second;
    listed.push_back(
        {is.is, is.instance, is.in->like.text(), is.connected, is.settled.size() + is.leaving.size()});
  }
  return listed;
}

member_id consumer_group::owner_of(partition_ref of) const {
  const auto found = partitions_.find(of);
  return found == partitions_.end() ? nobody : found->second.owner;
}

std::vector<std::pair<partition_ref, member_id>> consumer_group::partitions(partition_ref from,
                                                                            std::size_t limit) const {
  std::vector<std::pair<partition_ref, member_id>> listed;
  for (auto at = partitions_.lower_bound(from); at != partitions_.end() && listed.size() < limit; ++at) {
    listed.emplace_back(at->first, at->second.owner);
  }
  return listed;
}

void consumer_group::tell(const member& who, group_effect::kind what, partition_ref of, errc why) {
  if (who.connected) effects_.push_back({what, who.is, of, why});
}

// ---- positions -----------------------------------------------------------------------------------------

errc consumer_group::may_commit(const membership& who, const std::vector<partition_ref>& of) const {
  if (who.member != nobody) {
    if (const errc why = check(who); why != errc::ok) return why;
  }
  for (const partition_ref one : of) {
    const auto found = partitions_.find(one);
    const bool taken =
        found != partitions_.end() && (found->second.owner != nobody || found->second.target != nobody);
    if (who.member == nobody && taken) return errc::group_in_use;
    if (who.member != nobody && (!taken || found->second.owner != who.member)) return errc::fenced_member;
  }
  return errc::ok;
}

void consumer_group::commit_begun(const std::vector<partition_ref>& of) {
  for (const partition_ref one : of) ++committing_[one];
}

void consumer_group::commit_ended(const std::vector<partition_ref>& of) {
  for (const partition_ref one : of) {
    const auto found = committing_.find(one);
    assert(found != committing_.end());
    if (--found->second > 0) continue;
    committing_.erase(found);
    if (partitions_.contains(one)) grant_if_free(one);
  }
}

// ---- topics and audiences ------------------------------------------------------------------------------

consumer_group::audience& consumer_group::audience_of(const std::string& subscription) {
  const auto found = audiences_.find(subscription);
  if (found != audiences_.end()) return found->second;
  auto like = protocol::topic_pattern::parse(subscription).value();
  audience& made = audiences_.emplace(subscription, audience{std::move(like), {}, {}}).first->second;
  for (const auto& topic : find_(made.like)) follow(made, topic.id, topic.partitions);
  return made;
}

void consumer_group::follow(audience& who, topic_id id, std::uint32_t partitions) {
  who.topics.insert(id);
  topics_[id].audiences.insert(&who);
  for (std::uint32_t i = 0; i < partitions; ++i) {
    const partition_ref of{id, partition_id(i)};
    if (partitions_.try_emplace(of).second) unplaced_.insert(of);
  }
}

void consumer_group::leave_audience(member& who) {
  audience& in = *who.in;
  in.by_load.erase({who.load(), who.is.member});
  if (!in.by_load.empty()) return;
  for (const topic_id id : in.topics) {
    auto& audiences = topics_.at(id).audiences;
    audiences.erase(&in);
    if (audiences.empty()) forget_topic(id);
  }
  audiences_.erase(audiences_.find(in.like.text()));
}

// Nobody reads it any more, so nobody has any of it.
void consumer_group::forget_topic(topic_id gone) {
  const auto end = partitions_.lower_bound({topic_id(gone.value() + 1), partition_id(0)});
  for (auto at = partitions_.lower_bound({gone, partition_id(0)}); at != end;) {
    unplaced_.erase(at->first);
    at = partitions_.erase(at);
  }
  topics_.erase(gone);
}

void consumer_group::topic_changed(const shard::topic_change& change, steady_time now) {
  if (change.what != shard::topic_change::kind::deleted) {
    for (auto& [text, one] : audiences_) {
      if (one.like.matches(change.name)) follow(one, change.topic, change.partitions);
    }
    if (!holding(now)) settle(now);
    return;
  }
  const auto found = topics_.find(change.topic);
  if (found == topics_.end()) return;
  const std::set<audience*> readers = found->second.audiences;
  for (auto at = partitions_.lower_bound({change.topic, partition_id(0)});
       at != partitions_.end() && at->first.topic == change.topic; ++at) {
    const auto [of, it] = *at;
    if (const auto owner = members_.find(it.owner); owner != members_.end()) {
      owner->second.leaving.erase(of);
      tell(owner->second, group_effect::kind::lose, of);
    }
    if (const auto target = members_.find(it.target); target != members_.end()) {
      const std::size_t before = target->second.load();
      target->second.settled.erase(of);
      target->second.pending.erase(of);
      update_load(target->second, before);
    }
  }
  forget_topic(change.topic);
  for (audience* const one : readers) one->topics.erase(change.topic);
  for (audience* const one : readers) {
    if (!holding(now)) level(*one, now);
  }
}

// ---- who is to have what -------------------------------------------------------------------------------

void consumer_group::update_load(member& who, std::size_t before) {
  if (who.load() == before) return;
  who.in->by_load.erase({before, who.is.member});
  who.in->by_load.emplace(who.load(), who.is.member);
}

void consumer_group::settle(steady_time now) {
  for (const partition_ref of : std::exchange(unplaced_, {})) place(of, now);
}

// To whoever is to have least of those who read its topic.
void consumer_group::place(partition_ref of, steady_time now) {
  const std::pair<std::size_t, member_id>* least = nullptr;
  for (const audience* const one : topics_.at(of.topic).audiences) {
    if (!one->by_load.empty() && (least == nullptr || *one->by_load.begin() < *least)) {
      least = &*one->by_load.begin();
    }
  }
  if (least == nullptr) {
    unplaced_.insert(of);
  } else {
    retarget(of, least->second, now);
  }
}

// Moves partitions to the least loaded of an audience until nobody it shares topics with has two more.
void consumer_group::level(audience& to, steady_time now) {
  while (!to.by_load.empty()) {
    const auto [least, lightest] = *to.by_load.begin();
    const auto moved = heaviest_load(to, least + 1);
    if (!moved) return;
    retarget(*moved, lightest, now);
  }
}

// A partition that `to` may have, of whoever is to have most, and more than `above`.
std::optional<partition_ref> consumer_group::heaviest_load(const audience& to, std::size_t above) {
  std::set<const audience*> sharing;
  for (const topic_id id : to.topics) {
    for (const audience* const one : topics_.at(id).audiences) sharing.insert(one);
    if (sharing.size() == audiences_.size()) break;
  }
  std::optional<partition_ref> found;
  std::size_t most = above;
  for (const audience* const one : sharing) {
    for (auto at = one->by_load.rbegin(); at != one->by_load.rend() && at->first > most; ++at) {
      const auto candidate = movable(members_.at(at->second), to);
      if (!candidate) continue;
      found = candidate;
      most = at->first;
      break;
    }
  }
  return found;
}

// What it does not own yet costs nobody anything; otherwise the last, so that the first stay where they are.
std::optional<partition_ref> consumer_group::movable(const member& from, const audience& to) const {
  for (const auto* const some : {&from.pending, &from.settled}) {
    for (auto at = some->rbegin(); at != some->rend(); ++at) {
      if (from.in == &to || to.topics.contains(at->topic)) return *at;
    }
  }
  return std::nullopt;
}

void consumer_group::retarget(partition_ref of, member_id to, steady_time now) {
  partition& it = partitions_.at(of);
  if (const auto old = members_.find(it.target); old != members_.end()) {
    member& from = old->second;
    const std::size_t before = from.load();
    from.pending.erase(of);
    if (from.settled.erase(of) > 0) {
      from.leaving.insert(of);
      it.release_by = now + from.release_timeout;
      dues_.emplace(it.release_by, due{{}, of});
      tell(from, group_effect::kind::revoke, of);
    }
    update_load(from, before);
  }
  member& next = members_.at(to);
  const std::size_t before = next.load();
  it.target = to;
  next.pending.insert(of);
  update_load(next, before);
  grant_if_free(of);
}

void consumer_group::grant_if_free(partition_ref of) {
  partition& it = partitions_.at(of);
  if (it.owner != nobody || it.target == nobody || committing_.contains(of)) return;
  member& who = members_.at(it.target);
  it.owner = it.target;
  who.pending.erase(of);
  who.settled.insert(of);
  tell(who, group_effect::kind::assign, of);
}

void consumer_group::take_from_owner(partition_ref of) {
  partition& it = partitions_.at(of);
  members_.at(it.owner).leaving.erase(of);
  it.owner = nobody;
  grant_if_free(of);
}

// ---- time ----------------------------------------------------------------------------------------------

std::optional<steady_time> consumer_group::next_tick() const {
  return dues_.empty() ? std::nullopt : std::optional(dues_.begin()->first);
}

void consumer_group::tick(steady_time now) {
  while (!dues_.empty() && dues_.begin()->first <= now) {
    const due what = dues_.begin()->second;
    dues_.erase(dues_.begin());
    if (what.of) {
      const auto found = partitions_.find(*what.of);
      if (found == partitions_.end() || found->second.release_by > now) continue;
      const auto owner = members_.find(found->second.owner);
      if (owner == members_.end() || !owner->second.leaving.contains(*what.of)) continue;
      tell(owner->second, group_effect::kind::lose, *what.of);
      take_from_owner(*what.of);
    } else if (what.session.member == nobody) {
      settle(now);  // the time of holding back is over
      for (auto& [text, one] : audiences_) level(one, now);
    } else if (check(what.session) == errc::ok) {
      member& silent = members_.at(what.session.member);
      const steady_time expires = silent.heard + silent.session_timeout;
      if (expires > now) {
        dues_.emplace(expires, what);
      } else {
        tell(silent, group_effect::kind::end, {}, errc::unknown_member);
        remove(silent, now);
      }
    }
  }
}

}  // namespace skald::delivery
