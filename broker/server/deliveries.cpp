// The requests about subscriptions; delivery itself is in delivery_pump.cpp.
#include "broker/server/deliveries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "broker/server/subscription.hpp"

namespace skald::server {

namespace {

// Credit is a sum of what a client sends; it saturates rather than wraps.
std::int64_t add_credit(std::int64_t have, std::uint64_t granted) {
  constexpr std::int64_t most = std::int64_t{1} << 60;
  const auto more = static_cast<std::int64_t>(std::min(granted, static_cast<std::uint64_t>(most)));
  return std::min(have + more, most);
}

using builder = flatbuffers::FlatBufferBuilder;

auto encode_offsets(builder& to, const std::vector<resolved_start>& starts) {
  std::vector<flatbuffers::Offset<wire::PartitionOffset>> offsets;
  offsets.reserve(starts.size());
  for (const resolved_start& one : starts) {
    offsets.push_back(
        wire::CreatePartitionOffset(to, one.partition.value(), one.at.value(), one.topic.value()));
  }
  return to.CreateVector(offsets);
}

flatbuffers::Offset<wire::TopicName> encode_name(builder& to, topic_id topic, const std::string& name) {
  const auto text = to.CreateString(name);
  return wire::CreateTopicName(to, topic.value(), text);
}

std::string too_many_partitions(const session_settings& is) {
  return fmt::format(
      "a connection may follow {} partitions, a subscription {}; open another connection, or "
      "follow fewer topics",
      is.partitions_subscribed_max, protocol::partitions_max);
}

std::string no_subscription(std::uint64_t id) {
  return fmt::format("this connection has no subscription {}; it may have ended", id);
}

}  // namespace

deliveries::deliveries(session& of) : session_(of), host_(of.host()) {}

deliveries::~deliveries() {
  clear();
}

void deliveries::clear() {
  host_.counts.subscriptions -= static_cast<std::uint32_t>(subscriptions_.size());
  subscriptions_.clear();
  runnable_.clear();
  partitions_ = 0;
}

deliveries::shared deliveries::find(std::uint64_t subscription_id) const {
  const auto found = subscriptions_.find(subscription_id);
  return found == subscriptions_.end() ? nullptr : found->second;
}

void deliveries::subscribe(std::uint64_t id, const wire::Subscribe& message) {
  const std::uint64_t key = message.subscription();
  if (subscriptions_.contains(key)) {
    return session_.send_error(id, errc::invalid_request,
                               fmt::format("subscription {} exists; choose another number", key));
  }
  if (subscriptions_.size() >= host_.settings.subscriptions_max) {
    return session_.send_error(
        id, errc::overloaded,
        fmt::format("a connection may have {} subscriptions; end one or open another connection",
                    host_.settings.subscriptions_max));
  }
  auto starts = read_starts(message.partitions());
  if (!starts) return session_.send_error(id, starts.error().code, starts.error().message);

  const auto added = std::make_shared<subscription>(key, protocol::text(message.topic()));
  added->others = starts->empty() || message.others();
  added->credit = add_credit(0, message.credit_bytes());
  const std::size_t asked = message.delivery_bytes_max();
  added->delivery_bytes_max = asked == 0 ? host_.settings.delivery_bytes_max
                                         : std::min<std::size_t>(asked, host_.settings.delivery_bytes_max);
  auto filter = read_filter(message.filter());
  if (!filter) return session_.send_error(id, filter.error().code, filter.error().message);
  added->filter = *std::move(filter);
  if (!protocol::text(message.group()).empty()) return join_group(id, message, added, *starts);
  subscriptions_.emplace(key, added);
  ++host_.counts.subscriptions;
  std::optional<start_at> others;
  if (added->others) others = read_start(0, message.start(), message.value());
  resolve_starts(host_, added->topic, std::move(*starts), others,
                 [which = weak(added), request = session_.open(id),
                  session = session_.weak_from_this()](const resolved_topics& topics) {
                   if (const auto alive = session.lock())
                     alive->subscriptions().opened(which, request, topics);
                 });
}

bool deliveries::has_room_for(const subscription& which, std::size_t partitions) const {
  // A subscription can resume with one request, and be described by one answer.
  return partitions_ + partitions <= host_.settings.partitions_subscribed_max &&
         which.cursors.size() + partitions <= protocol::partitions_max;
}

void deliveries::opened(const weak& which, const pending_request& request, const resolved_topics& topics) {
  const shared opening = which.lock();
  if (!opening) return request.fail(errc::cancelled, "unsubscribed before the subscription had begun");
  if (topics.why) {
    remove(*opening);
    return request.fail(topics.why.code, topics.why.message);
  }
  if (!has_room_for(*opening, topics.starts.size())) {
    remove(*opening);
    return request.fail(errc::overloaded, too_many_partitions(host_.settings));
  }
  opening->open = true;
  for (const auto& topic : topics.topics) opening->names.emplace(topic.id, topic.name);
  for (const resolved_start& start : topics.starts) add(*opening, start.topic, start.partition, start.at);
  request.answer([&](builder& to) {
    std::vector<flatbuffers::Offset<wire::TopicName>> names;
    names.reserve(opening->names.size());
    for (const auto& [topic, name] : opening->names) names.push_back(encode_name(to, topic, name));
    const auto offsets = encode_offsets(to, topics.starts);
    return wire::CreateSubscribeOk(to, offsets, to.CreateVector(names));
  });
  for (const auto& [of, one] : opening->cursors) ready(opening, *one);
  for (const shard::topic_change& change : std::exchange(opening->missed, {})) follow(opening, change);
  pump();
}

deliveries::cursor& deliveries::add(subscription& which, topic_id topic, partition_id partition,
                                    offset from) {
  const shard::shard::partition_ref of{topic, partition};
  const auto [at, added] = which.cursors.emplace(of, std::make_shared<cursor>(of, from));
  if (added) ++partitions_;
  return *at->second;
}

void deliveries::drop(subscription& which, const cursor& at) {
  if (at.queued) std::erase(which.ready, &at);
  --partitions_;
  which.cursors.erase(at.of);
}

void deliveries::credit(const wire::Credit& message) {
  const shared to = find(message.subscription());
  if (!to) return;  // it has just ended; the client has been or will be told
  to->credit = add_credit(to->credit, message.bytes());
  runnable(to);
  pump();
}

void deliveries::seek(std::uint64_t id, const wire::Seek& message) {
  const shared of = find(message.subscription());
  if (!of || !of->open) {
    return session_.send_error(id, errc::unknown_subscription, no_subscription(message.subscription()));
  }
  auto starts = read_starts(message.partitions());
  if (!starts) return session_.send_error(id, starts.error().code, starts.error().message);
  if (starts->empty()) {
    return session_.send_error(id, errc::invalid_request, "a seek names at least one partition");
  }
  for (const start_at& start : *starts) {
    if (of->find(of->named(start)) == nullptr) {
      return session_.send_error(
          id, errc::unknown_partition,
          fmt::format("subscription {} does not follow partition {}", of->id, start.partition.value()));
    }
  }
  for (start_at& start : *starts) start.topic = of->named(start).topic;
  resolve_starts(host_, of->topic, std::move(*starts), std::nullopt,
                 [which = weak(of), request = session_.open(id), seek = message.seek(),
                  session = session_.weak_from_this()](const resolved_topics& topics) {
                   if (const auto alive = session.lock()) {
                     alive->subscriptions().sought(which, request, seek, topics);
                   }
                 });
}

void deliveries::sought(const weak& which, const pending_request& request, std::uint32_t seek,
                        const resolved_topics& topics) {
  const shared of = which.lock();
  if (!of) return request.fail(errc::unknown_subscription, "the subscription ended during the seek");
  if (topics.why) return request.fail(topics.why.code, topics.why.message);
  of->seek = seek;
  request.answer([&](builder& to) { return wire::CreateSeekOk(to, encode_offsets(to, topics.starts)); });
  for (const resolved_start& start : topics.starts) {
    cursor* const at = of->find({start.topic, start.partition});
    if (at == nullptr) continue;  // it has left meanwhile
    at->next = at->told = start.at;
    ++at->visit;
    at->forget_plan();
    at->waiting.reset();
    ready(of, *at);
  }
  pump();
}

void deliveries::unsubscribe(std::uint64_t id, const wire::Unsubscribe& message) {
  const shared which = find(message.subscription());
  if (!which) {
    return session_.send_error(id, errc::unknown_subscription, no_subscription(message.subscription()));
  }
  remove(*which);
  session_.send(id, [](auto& builder) { return wire::CreateOk(builder); });
}

void deliveries::remove(subscription& which) {
  if (which.member) leave_group(which);
  partitions_ -= which.cursors.size();
  --host_.counts.subscriptions;
  std::erase_if(runnable_, [&](const shared& one) { return one.get() == &which; });
  subscriptions_.erase(which.id);
}

void deliveries::end(const shared& which, errc code, const std::string& why) {
  session_.send(0, [&](auto& builder) {
    const auto message = builder.CreateString(why);
    return wire::CreateSubscriptionNotice(builder, which->id, static_cast<std::uint16_t>(code), message,
                                          true);
  });
  remove(*which);
}

// ---- partitions that come and go ----

void deliveries::topic_changed(const shard::topic_change& change) {
  std::vector<shared> concerned;  // following may end one
  concerned.reserve(subscriptions_.size());
  for (const auto& [id, one] : subscriptions_) concerned.push_back(one);
  for (const shared& one : concerned) {
    if (one->open) {
      follow(one, change);
    } else {
      one->missed.push_back(change);
    }
  }
  pump();
}

void deliveries::follow(const shared& which, const shard::topic_change& change) {
  if (which->member) return;  // the group assigns
  if (change.what == shard::topic_change::kind::deleted) {
    // Of a single topic the subscription ends, when its cursors find out.
    if (which->pattern && which->names.contains(change.topic)) drop_topic(which, change.topic);
    return;
  }
  const bool known = which->names.contains(change.topic);
  if (which->others && (known || (which->pattern && which->pattern->matches(change.name)))) {
    grow(which, change);
  }
}

// All there is in a new partition came after the subscription began.
void deliveries::grow(const shared& which, const shard::topic_change& topic) {
  std::vector<resolved_start> joined;
  for (std::uint32_t i = 0; i < topic.partitions; ++i) {
    if (which->find({topic.topic, partition_id(i)}) == nullptr) {
      joined.push_back({topic.topic, partition_id(i), offset(0)});
    }
  }
  if (joined.empty()) return;
  if (!has_room_for(*which, joined.size())) {
    return end(which, errc::overloaded, too_many_partitions(host_.settings));
  }
  which->names.emplace(topic.topic, topic.name);
  session_.send(0, [&](builder& to) {
    const auto names = to.CreateVector(std::vector{encode_name(to, topic.topic, topic.name)});
    return wire::CreateSubscriptionChanged(to, which->id, names, encode_offsets(to, joined));
  });
  for (const resolved_start& one : joined) ready(which, add(*which, one.topic, one.partition, one.at));
}

void deliveries::drop_topic(const shared& which, topic_id topic) {
  std::vector<wire::TopicPartition> left;
  for (auto at = which->cursors.lower_bound({topic, partition_id(0)});
       at != which->cursors.end() && at->first.topic == topic;) {
    left.emplace_back(topic.value(), at->first.partition.value());
    const auto gone = (at++)->second;
    drop(*which, *gone);
  }
  which->names.erase(topic);
  session_.send(0, [&](builder& to) {
    return wire::CreateSubscriptionChanged(to, which->id, 0, 0, to.CreateVectorOfStructs(left));
  });
}

}  // namespace skald::server
