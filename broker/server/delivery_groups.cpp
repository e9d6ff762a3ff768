// Subscriptions of consumer groups' members: their partitions are what the group assigns.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/server/deliveries.hpp"
#include "broker/server/session.hpp"
#include "broker/server/subscription.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::server {

namespace {

using builder = flatbuffers::FlatBufferBuilder;

// How many heartbeats a session timeout has time for.
constexpr int heartbeats_per_timeout = 3;

result<std::chrono::milliseconds> timeout_of(std::uint32_t asked_ms, const session_settings& is) {
  const std::chrono::milliseconds asked(asked_ms);
  if (asked_ms == 0) return is.group_timeout;
  if (asked >= is.group_timeout_min && asked <= is.group_timeout_max) return asked;
  return failure{errc::invalid_request,
                 fmt::format("a timeout of a group's member is from {} ms to {} ms",
                             is.group_timeout_min.count(), is.group_timeout_max.count())};
}

result<group_join> read_join(const wire::Subscribe& message, const std::vector<start_at>& had,
                             const session_settings& is) {
  const std::string_view topic = protocol::text(message.topic());
  const std::string_view instance = protocol::text(message.instance());
  group_join join;
  join.group = protocol::text(message.group());
  if (const auto name = protocol::check_group_name(join.group); !name) return name.error();
  if (const auto named = protocol::topic_pattern::parse(topic); !named) return named.error();
  if (!instance.empty()) {
    if (const auto name = protocol::check_group_name(instance); !name) return name.error();
  }
  const auto session_timeout = timeout_of(message.session_timeout_ms(), is);
  const auto release_timeout = timeout_of(message.release_timeout_ms(), is);
  if (!session_timeout) return session_timeout.error();
  if (!release_timeout) return release_timeout.error();
  join.who.subscription = topic;
  join.who.instance = instance;
  join.who.member = delivery::member_id(message.member());
  join.who.epoch = delivery::member_epoch(message.epoch());
  join.who.session_timeout = *session_timeout;
  join.who.release_timeout = *release_timeout;
  join.start = read_start(0, message.start(), message.value());
  for (const start_at& one : had) {
    if (one.kind != start_kind::offset)
      return failure{errc::invalid_request, "what a member had, it had up to an offset"};
    join.who.claims.push_back({one.topic, one.partition});
    join.goes_on.emplace(join.who.claims.back(), offset(static_cast<std::uint64_t>(one.value)));
  }
  return join;
}

auto write_places(builder& to, const std::vector<partition_ref>& places) {
  std::vector<wire::TopicPartition> list;
  list.reserve(places.size());
  for (const partition_ref one : places) list.emplace_back(one.topic.value(), one.partition.value());
  return to.CreateVectorOfStructs(list);
}

}  // namespace

void deliveries::join_group(std::uint64_t id, const wire::Subscribe& message, const shared& as,
                            const std::vector<start_at>& had) {
  auto join = read_join(message, had, host_.settings);
  if (!join) return session_.send_error(id, join.error().code, join.error().message);
  as->member = std::make_unique<member_state>();
  as->member->group = join->group;
  as->member->stays = !join->who.instance.empty();
  const auto heartbeat = join->who.session_timeout / heartbeats_per_timeout;
  subscriptions_.emplace(as->id, as);
  ++host_.counts.subscriptions;
  as->member->connected = host_.shard.groups().join(
      std::move(*join), [which = weak(as), session = session_.weak_from_this(), request = session_.open(id),
                         answered = std::make_shared<bool>(false), &groups = host_.shard.groups(),
                         group = as->member->group, stays = as->member->stays, heartbeat](group_event event) {
        const bool first = !std::exchange(*answered, true);
        const bool joined = event.what == group_event::kind::joined;
        const auto alive = session.lock();
        const shared of = which.lock();
        if (!alive || !of || alive->subscriptions().find(of->id) != of) {
          if (first) request.fail(errc::cancelled, "unsubscribed before it was a member");
          if (joined && !stays) groups.leave(group, event.is);
        } else if (joined) {
          of->open = true;
          of->member->is = event.is;
          request.answer([&](builder& to) {
            return wire::CreateSubscribeOk(to, 0, 0, event.is.member.value(), event.is.epoch.value(),
                                           static_cast<std::uint32_t>(heartbeat.count()));
          });
        } else if (first) {
          alive->subscriptions().remove(*of);
          request.fail(event.why.code, event.why.message);
        } else {
          alive->subscriptions().member_told(of, std::move(event));
        }
      });
}

void deliveries::member_told(const shared& which, group_event event) {
  if (event.what == group_event::kind::ended) return end(which, event.why.code, event.why.message);
  which->member->events.push_back(std::move(event));
  follow_assignments(which);
}

// One event after the other: finding where a partition begins may take reading from it.
void deliveries::follow_assignments(const shared& which) {
  member_state& member = *which->member;
  while (!member.resolving && !member.events.empty()) {
    group_event next = std::move(member.events.front());
    member.events.pop_front();
    member.resolving = true;
    resolve_located(host_, std::move(next.assigned),
                    [to = weak(which), session = session_.weak_from_this(), revoked = std::move(next.revoked),
                     lost = std::move(next.lost)](const resolved_topics& joined) {
                      const auto alive = session.lock();
                      const shared of = to.lock();
                      if (!alive || !of) return;
                      deliveries& self = alive->subscriptions();
                      if (self.find(of->id) != of) return;
                      of->member->resolving = false;
                      if (joined.why) return self.end(of, joined.why.code, joined.why.message);
                      self.assign(of, joined, revoked, lost);
                      if (self.find(of->id) == of) self.follow_assignments(of);
                    });
  }
}

void deliveries::assign(const shared& which, const resolved_topics& joined,
                        const std::vector<partition_ref>& revoked, const std::vector<partition_ref>& lost) {
  for (const auto* const gone : {&revoked, &lost}) {
    for (const partition_ref of : *gone) {
      if (const auto at = which->cursors.find(of); at != which->cursors.end()) {
        const auto held = at->second;
        drop(*which, *held);
      }
    }
  }
  if (partitions_ + joined.starts.size() > host_.settings.partitions_subscribed_max) {
    return end(which, errc::overloaded,
               fmt::format("a connection may follow {} partitions; have more members, on other connections",
                           host_.settings.partitions_subscribed_max));
  }
  for (const auto& topic : joined.topics) which->names.insert_or_assign(topic.id, topic.name);
  session_.send(0, [&](builder& to) {
    std::vector<flatbuffers::Offset<wire::TopicName>> names;
    for (const auto& topic : joined.topics) {
      const auto text = to.CreateString(topic.name);
      names.push_back(wire::CreateTopicName(to, topic.id.value(), text));
    }
    const auto topics = to.CreateVector(names);
    std::vector<flatbuffers::Offset<wire::PartitionOffset>> begins;
    begins.reserve(joined.starts.size());
    for (const resolved_start& one : joined.starts) {
      begins.push_back(
          wire::CreatePartitionOffset(to, one.partition.value(), one.at.value(), one.topic.value()));
    }
    const auto offsets = to.CreateVector(begins);
    const auto left = write_places(to, lost);
    return wire::CreateSubscriptionChanged(to, which->id, topics, offsets, left, write_places(to, revoked));
  });
  for (const resolved_start& one : joined.starts) {
    ready(which, add(*which, one.topic, one.partition, one.at));
  }
  pump();
}

deliveries::shared deliveries::find_member(std::uint64_t id, std::uint64_t subscription_id) const {
  shared found = find(subscription_id);
  if (found && found->member && found->open) return found;
  session_.send_error(
      id, errc::unknown_subscription,
      fmt::format("this connection has no member of a group as subscription {}; it may have ended",
                  subscription_id));
  return nullptr;
}

void deliveries::heartbeat(std::uint64_t id, const wire::MemberHeartbeat& message) {
  const shared which = find_member(id, message.subscription());
  if (!which) return;
  host_.shard.groups().heartbeat(which->member->group, which->member->is);
  session_.send(id, [](builder& to) { return wire::CreateOk(to); });
}

void deliveries::release(std::uint64_t id, const wire::ReleasePartitions& message) {
  const shared which = find_member(id, message.subscription());
  if (!which) return;
  std::vector<partition_ref> given_back;
  if (message.partitions() != nullptr) {
    for (const wire::TopicPartition* const one : *message.partitions()) {
      given_back.push_back({topic_id(one->topic_id()), partition_id(one->partition())});
    }
  }
  host_.shard.groups().release(which->member->group, which->member->is, std::move(given_back));
  session_.send(id, [](builder& to) { return wire::CreateOk(to); });
}

void deliveries::leave_group(subscription& which) {
  if (which.open && !which.member->stays) host_.shard.groups().leave(which.member->group, which.member->is);
}

}  // namespace skald::server
