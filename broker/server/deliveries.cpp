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

template <class Answer>
auto offsets_answer(const std::vector<resolved_start>& starts, Answer create) {
  return [&starts, create](flatbuffers::FlatBufferBuilder& builder) {
    std::vector<flatbuffers::Offset<wire::PartitionOffset>> offsets;
    offsets.reserve(starts.size());
    for (const resolved_start& one : starts) {
      offsets.push_back(wire::CreatePartitionOffset(builder, one.partition.value(), one.at.value()));
    }
    return create(builder, builder.CreateVector(offsets));
  };
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
  const start_at otherwise = read_start(0, message.start(), message.value());

  const auto added = std::make_shared<subscription>(key, std::string(protocol::text(message.topic())));
  added->all_partitions = starts->empty();
  added->credit = add_credit(0, message.credit_bytes());
  const std::size_t asked = message.delivery_bytes_max();
  added->delivery_bytes_max = asked == 0 ? host_.settings.delivery_bytes_max
                                         : std::min<std::size_t>(asked, host_.settings.delivery_bytes_max);
  subscriptions_.emplace(key, added);
  ++host_.counts.subscriptions;
  resolve_starts(host_, added->topic, std::move(*starts), otherwise,
                 [which = weak(added), request = session_.open(id),
                  session = session_.weak_from_this()](const resolved_topic& topic) {
                   if (const auto alive = session.lock())
                     alive->subscriptions().opened(which, request, topic);
                 });
}

void deliveries::opened(const weak& which, const pending_request& request, const resolved_topic& topic) {
  const shared opening = which.lock();
  if (!opening) return request.fail(errc::cancelled, "unsubscribed before the subscription had begun");
  if (topic.why) {
    remove(*opening);
    return request.fail(topic.why.code, topic.why.message);
  }
  if (partitions_ + topic.starts.size() > host_.settings.partitions_subscribed_max) {
    remove(*opening);
    return request.fail(errc::overloaded,
                        fmt::format("a connection may follow {} partitions; open another connection",
                                    host_.settings.partitions_subscribed_max));
  }
  opening->stored_as = topic.topic;
  opening->open = true;
  partitions_ += topic.starts.size();
  opening->cursors.reserve(topic.starts.size());
  for (const resolved_start& start : topic.starts) {
    opening->cursors.push_back(std::make_unique<cursor>(start.partition, start.at));
  }
  request.answer(offsets_answer(
      topic.starts, [](auto& builder, auto offsets) { return wire::CreateSubscribeOk(builder, offsets); }));
  for (const auto& one : opening->cursors) ready(opening, *one);
  if (opening->grown_topic == opening->stored_as) grow(opening, opening->grown_to);
  pump();
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
    if (of->find(start.partition) == nullptr) {
      return session_.send_error(
          id, errc::unknown_partition,
          fmt::format("subscription {} does not follow partition {}", of->id, start.partition.value()));
    }
  }
  resolve_starts(host_, of->topic, std::move(*starts), {},
                 [which = weak(of), request = session_.open(id), seek = message.seek(),
                  session = session_.weak_from_this()](const resolved_topic& topic) {
                   if (const auto alive = session.lock()) {
                     alive->subscriptions().sought(which, request, seek, topic);
                   }
                 });
}

void deliveries::sought(const weak& which, const pending_request& request, std::uint32_t seek,
                        const resolved_topic& topic) {
  const shared of = which.lock();
  if (!of) return request.fail(errc::unknown_subscription, "the subscription ended during the seek");
  if (topic.why) return request.fail(topic.why.code, topic.why.message);
  if (topic.topic != of->stored_as) {
    return request.fail(
        errc::unknown_topic,
        fmt::format("topic {} was deleted and created anew; subscribe again", handlers::shown(of->topic)));
  }
  of->seek = seek;
  request.answer(offsets_answer(
      topic.starts, [](auto& builder, auto offsets) { return wire::CreateSeekOk(builder, offsets); }));
  for (const resolved_start& start : topic.starts) {
    cursor& at = *of->find(start.partition);
    at.next = start.at;
    ++at.visit;
    at.forget_plan();
    at.waiting.reset();
    ready(of, at);
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

void deliveries::topic_grew(topic_id topic, std::uint32_t partitions) {
  for (const auto& [id, one] : subscriptions_) {
    if (!one->all_partitions) continue;
    if (one->open && one->stored_as == topic) grow(one, partitions);
    if (!one->open) one->grown_topic = topic, one->grown_to = partitions;
  }
  pump();
}

// All there is in a new partition came after the subscription began.
void deliveries::grow(const shared& which, std::uint32_t partitions) {
  while (which->cursors.size() < partitions) {
    const partition_id added(static_cast<std::uint32_t>(which->cursors.size()));
    which->cursors.push_back(std::make_unique<cursor>(added, offset(0)));
    ++partitions_;
    ready(which, *which->cursors.back());
  }
}

}  // namespace skald::server
