#include "broker/server/group_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/shard_link.hpp"

namespace skald::server {

using delivery::group_effect;
using delivery::nobody;
using shard::failure;

namespace {

// An event has to fit the header of a frame, names included.
constexpr std::size_t partitions_told_at_once = 1024;
constexpr std::chrono::milliseconds tick_interval{100};

failure explain(errc why, const std::string& group) {
  switch (why) {
    case errc::unknown_member:
      return {why, fmt::format(
                       "that is no member of group {} (any more): it was silent for longer than its session "
                       "timeout, or the broker has restarted; subscribe again",
                       handlers::shown(group))};
    case errc::fenced_member:
      return {why,
              fmt::format("in group {} another member has the partition, or the same one has connected anew",
                          handlers::shown(group))};
    default:
      return {why, fmt::format("members of group {} have these partitions; stop them first",
                               handlers::shown(group))};
  }
}

std::vector<partition_ref> partitions_of(const std::vector<shard::shard::position>& positions) {
  std::vector<partition_ref> of;
  of.reserve(positions.size());
  for (const auto& one : positions) of.push_back(one.of);
  return of;
}

}  // namespace

void group_service::open(shard::shard& served, std::chrono::milliseconds grace) {
  shard_ = &served;
  auto random = std::make_shared<std::mt19937_64>(std::random_device{}());
  coordinator_ = std::make_unique<delivery::group_coordinator>(
      delivery::group_coordinator::settings{.grace = grace}, now(),
      [&served](const protocol::topic_pattern& like) { return served.find_topics(like); },
      [random] { return (*random)(); },
      [&served](const std::string& group) { return !served.group_positions(group, {}, 1).empty(); });
}

// ---- members -------------------------------------------------------------------------------------------

void group_service::join(const std::shared_ptr<listener>& as, const delivery::join_request& who) {
  const auto refuse = [&](failure why) {
    group_event event;
    event.what = group_event::kind::ended;
    event.why = std::move(why);
    as->tell(std::move(event));
  };
  if (!protocol::is_pattern(who.subscription) && !shard_->find_topic(who.subscription)) {
    return refuse(
        {errc::unknown_topic, fmt::format("there is no topic {}", handlers::shown(who.subscription))});
  }
  as->is = coordinator_->open(as->group, now()).join(who, now());
  listeners_[{as->group, as->is.member, as->is.epoch}] = as;
  group_event joined;
  joined.what = group_event::kind::joined;
  joined.is = as->is;
  as->tell(std::move(joined));
  tell_members();
  as->goes_on.clear();  // what it did not get at once it gets from where it was committed
  if (!std::exchange(ticking_, true)) runs_on_.post_after(tick_interval, [this] { tick(); });
}

void group_service::disconnected(const std::shared_ptr<listener>& which) {
  if (listeners_.erase({which->group, which->is.member, which->is.epoch}) == 0) return;
  if (auto* const group = coordinator_->find(which->group)) group->connection_lost(which->is);
}

void group_service::heartbeat(const std::string& group, membership who) {
  if (auto* const found = coordinator_->find(group)) found->heartbeat(who, now());
}

void group_service::leave(const std::string& group, membership who) {
  listeners_.erase({group, who.member, who.epoch});
  if (auto* const found = coordinator_->find(group)) found->leave(who, now());
  tell_members();
}

void group_service::release(const std::string& group, membership who,
                            const std::vector<partition_ref>& given_back) {
  if (auto* const found = coordinator_->find(group)) found->release(who, given_back, now());
  tell_members();
}

void group_service::topic_changed(const shard::topic_change& change) {
  coordinator_->topic_changed(change, now());
  tell_members();
}

void group_service::tick() {
  coordinator_->tick(now());
  tell_members();
  ticking_ = !coordinator_->empty();
  if (ticking_) runs_on_.post_after(tick_interval, [this] { tick(); });
}

// ---- telling -------------------------------------------------------------------------------------------

void group_service::tell_members() {
  for (const auto& [group, effects] : coordinator_->take_effects()) {
    std::map<std::pair<delivery::member_id, delivery::member_epoch>, std::vector<group_effect>> by_member;
    for (const group_effect& one : effects) by_member[{one.to.member, one.to.epoch}].push_back(one);
    for (const auto& [to, told] : by_member) {
      const auto found = listeners_.find({group, to.first, to.second});
      if (found == listeners_.end()) continue;
      const auto who = found->second;
      tell(*who, told);
    }
  }
}

void group_service::tell(listener& who, const std::vector<group_effect>& effects) {
  group_event event;
  std::size_t partitions = 0;
  const auto flush = [&] {
    if (std::exchange(partitions, 0) > 0) who.tell(std::exchange(event, {}));
  };
  for (const group_effect& one : effects) {
    switch (one.what) {
      case group_effect::kind::assign:
        begin(who, one.of, event);
        break;
      case group_effect::kind::revoke:
        event.revoked.push_back(one.of);
        break;
      case group_effect::kind::lose:
        event.lost.push_back(one.of);
        break;
      case group_effect::kind::end: {
        flush();
        group_event ended;
        ended.what = group_event::kind::ended;
        ended.why = explain(one.why, who.group);
        who.tell(std::move(ended));
        listeners_.erase({who.group, who.is.member, who.is.epoch});
        return;
      }
    }
    if (++partitions == partitions_told_at_once) flush();
  }
  flush();
}

// Says where a partition begins that has just become a member's.
void group_service::begin(listener& who, partition_ref of, group_event& event) {
  const auto info = shard_->partition(of);
  auto name = shard_->name_of(of.topic);
  if (!info || !name) return;  // its topic is being deleted, and is about to leave
  std::optional<offset> at = shard_->group_position(who.group, of);
  if (const auto held = who.goes_on.find(of); held != who.goes_on.end()) {
    at = std::min(std::max(at.value_or(offset()), held->second), info->end);
    who.goes_on.erase(held);
  }
  start_at start = who.start;
  if (at) {
    start = {
        of.partition, start_kind::offset, static_cast<std::int64_t>(std::min(*at, info->end).value()), {}};
  }
  start.topic = of.topic;
  start.partition = of.partition;
  located_start found;
  if (const failure why = locate_start(*shard_, start, found)) {
    // Only an offset that the subscriber has asked for can be out of range.
    start.kind = start_kind::latest;
    if (locate_start(*shard_, start, found)) return;
  }
  if (!at && start.kind == start_kind::latest) pin_start(who.group, of, found.at);
  const auto known = std::ranges::find(event.assigned.topics, of.topic, &shard::shard::resolved_topic::id);
  if (known == event.assigned.topics.end()) event.assigned.topics.push_back({of.topic, 0, std::move(*name)});
  event.assigned.starts.push_back(std::move(found));
}

// "From now on" means from when the group first had the partition, whoever has it later.
void group_service::pin_start(const std::string& group, partition_ref of, offset at) {
  propose(group, {{of, at, {}}}, [](const failure&) {});
}

// ---- positions -----------------------------------------------------------------------------------------

void group_service::commit(const std::string& group, membership who,
                           const std::vector<shard::shard::position>& positions, group_port::done then) {
  if (failure why = may_commit(group, who, partitions_of(positions))) return then(std::move(why));
  propose(group, positions, std::move(then));
}

failure group_service::may_commit(const std::string& group, membership who,
                                  const std::vector<partition_ref>& of) const {
  const auto* const known = coordinator_->look(group);
  errc why = errc::ok;
  if (known != nullptr) {
    why = known->may_commit(who, of);
  } else if (who.member != nobody) {
    why = errc::unknown_member;
  }
  return why == errc::ok ? failure{} : explain(why, group);
}

failure group_service::begin_commit(const std::string& group, membership who,
                                    const std::vector<partition_ref>& of) {
  failure why = may_commit(group, who, of);
  if (!why) coordinator_->open(group, now()).commit_begun(of);
  return why;
}

void group_service::committed(const std::string& group, const std::vector<partition_ref>& of) {
  coordinator_->open(group, now()).commit_ended(of);
  tell_members();
}

void group_service::propose(const std::string& group, const std::vector<shard::shard::position>& positions,
                            group_port::done then) {
  const std::vector<partition_ref> of = partitions_of(positions);
  coordinator_->open(group, now()).commit_begun(of);
  shard_->commit_positions(group, positions, [this, group, of, then = std::move(then)](failure why) {
    coordinator_->open(group, now()).commit_ended(of);
    then(std::move(why));
    tell_members();
  });
}

// ---- administration ------------------------------------------------------------------------------------

std::vector<group_summary> group_service::list(const std::string& after, std::size_t limit, bool& more) {
  std::vector<std::string> names = shard_->groups(after, limit + 1);
  for (std::string& name : coordinator_->names(after, limit + 1)) names.push_back(std::move(name));
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  more = names.size() > limit;
  if (more) names.resize(limit);

  std::vector<group_summary> listed;
  for (const std::string& name : names) {
    group_summary& is = listed.emplace_back();
    is.name = name;
    if (const auto* const group = coordinator_->look(name)) is.members = group->size();
    for (const auto& position : shard_->group_positions(name, {}, SIZE_MAX)) {
      ++is.partitions;
      const auto info = shard_->partition(position.of);
      const offset next = std::max(position.next, info->log_start);
      is.lag += next < info->end ? info->end - next : 0;
    }
  }
  return listed;
}

group_partition group_service::facts_of(partition_ref of, const shard::shard::position* position,
                                        delivery::member_id member) const {
  group_partition is{.of = of, .position = {}, .committed = {}, .log_start = {}, .end = {}, .member = member};
  if (position != nullptr) {
    is.position = position->next;
    is.committed = position->committed;
  }
  if (const auto info = shard_->partition(of)) {
    is.log_start = info->log_start;
    is.end = info->end;
  }
  return is;
}

group_description group_service::describe(const group_query& what) {
  group_description is;
  const auto* const group = coordinator_->look(what.group);
  if (group == nullptr && shard_->group_positions(what.group, {}, 1).empty()) {
    is.why = {errc::unknown_group, fmt::format("there is no group {}", handlers::shown(what.group))};
    return is;
  }
  if (group != nullptr && what.members_max > 0) {
    is.members = group->members(what.after_member, what.members_max + 1);
    is.more_members = is.members.size() > what.members_max;
    if (is.more_members) is.members.pop_back();
  }
  if (what.partitions_max == 0) return is;
  // Those with a position and those that members follow, in one order.
  partition_ref from;
  if (what.after) from = {what.after->topic, partition_id(what.after->partition.value() + 1)};
  const auto positions = shard_->group_positions(what.group, from, what.partitions_max + 1);
  std::map<partition_ref, group_partition> merged;
  for (const auto& one : positions) merged.emplace(one.of, facts_of(one.of, &one, nobody));
  if (group != nullptr) {
    for (const auto& [of, owner] : group->partitions(from, what.partitions_max + 1)) {
      const auto [at, added] = merged.emplace(of, facts_of(of, nullptr, owner));
      if (!added) at->second.member = owner;
    }
  }
  for (const auto& [of, one] : merged) {
    if (is.partitions.size() == what.partitions_max) {
      is.more_partitions = true;
      break;
    }
    if (is.topics.empty() || is.topics.back().id != of.topic) {
      is.topics.push_back({of.topic, 0, shard_->name_of(of.topic).value_or("")});
    }
    is.partitions.push_back(one);
  }
  return is;
}

void group_service::remove(const std::string& group, group_port::done then) {
  const auto* const found = coordinator_->look(group);
  if (found != nullptr && !found->empty()) {
    return then({errc::group_in_use, fmt::format("group {} has {} members; stop them first",
                                                 handlers::shown(group), found->size())});
  }
  shard_->delete_positions(group, std::move(then));
}

// ---- a reactor's side ----------------------------------------------------------------------------------

group_port::done group_link::back(done then) {
  return [&here = here_, then = std::move(then)](failure why) {
    here.post([then, why = std::move(why)] { then(why); });
  };
}

group_port::token group_link::join(group_join who, std::function<void(group_event)> tell) {
  auto as = std::make_shared<group_service::listener>();
  as->group = std::move(who.group);
  as->start = who.start;
  as->goes_on = std::move(who.goes_on);
  as->tell = [&here = here_, tell = std::move(tell)](group_event event) {
    here.post([tell, event = std::move(event)] { tell(event); });
  };
  to_.runs_on().post([&to = to_, as, request = std::move(who.who)] { to.join(as, request); });
  return {as.get(), [as, &to = to_](void*) { to.runs_on().post([&to, as] { to.disconnected(as); }); }};
}

void group_link::heartbeat(std::string group, membership who) {
  to_.runs_on().post([&to = to_, group = std::move(group), who] { to.heartbeat(group, who); });
}

void group_link::leave(std::string group, membership who) {
  to_.runs_on().post([&to = to_, group = std::move(group), who] { to.leave(group, who); });
}

void group_link::release(std::string group, membership who, std::vector<partition_ref> given_back) {
  to_.runs_on().post([&to = to_, group = std::move(group), who, given_back = std::move(given_back)] {
    to.release(group, who, given_back);
  });
}

void group_link::commit(std::string group, membership who, std::vector<shard::shard::position> positions,
                        done then) {
  to_.runs_on().post([&to = to_, group = std::move(group), who, positions = std::move(positions),
                      then = back(std::move(then))] { to.commit(group, who, positions, then); });
}

void group_link::list(std::string after, std::size_t limit,
                      std::function<void(std::vector<group_summary>, bool)> then) {
  to_.runs_on().post([&to = to_, &here = here_, after = std::move(after), limit, then = std::move(then)] {
    bool more = false;
    auto groups = to.list(after, limit, more);
    here.post([then, groups = std::move(groups), more] { then(groups, more); });
  });
}

void group_link::describe(group_query what, std::function<void(group_description)> then) {
  to_.runs_on().post([&to = to_, &here = here_, what = std::move(what), then = std::move(then)] {
    here.post([then, is = to.describe(what)] { then(is); });
  });
}

void group_link::remove(std::string group, done then) {
  to_.runs_on().post(
      [&to = to_, group = std::move(group), then = back(std::move(then))] { to.remove(group, then); });
}

}  // namespace skald::server
