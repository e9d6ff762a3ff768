// The fake broker's topics and reading.
#include <algorithm>
#include <skald/protocol/topic_pattern.hpp>

#include "tests/client/fake_broker/fake_session.hpp"

namespace skald::test {

using flatbuffers::FlatBufferBuilder;

namespace {

topic_settings settings_of(const wire::TopicSettings* settings) {
  topic_settings read;
  if (settings == nullptr) return read;
  if (settings->partitions()) read.partitions = *settings->partitions();
  if (settings->retention_ms()) read.retention_ms = *settings->retention_ms();
  if (settings->record_bytes_max()) read.record_bytes_max = *settings->record_bytes_max();
  return read;
}

flatbuffers::Offset<wire::TopicInfo> encode(FlatBufferBuilder& builder, const std::string& name,
                                            const fake_topic& topic, bool with_partitions) {
  std::vector<flatbuffers::Offset<wire::PartitionInfo>> partitions;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < topic.partitions.size(); ++i) {
    const auto& partition = topic.partitions[i];
    records += partition.end - partition.log_start;
    bytes += partition.bytes();
    if (with_partitions)
      partitions.push_back(
          wire::CreatePartitionInfo(builder, i, partition.log_start, partition.end, partition.bytes()));
  }
  const auto list = builder.CreateVector(partitions);
  const auto text = builder.CreateString(name);
  const auto& from = topic.settings;
  const auto settings = wire::CreateTopicSettings(
      builder, static_cast<std::uint32_t>(topic.partitions.size()), *from.retention_bytes, *from.retention_ms,
      *from.bytes_max, *from.record_bytes_max, *from.batch_bytes_max);
  return wire::CreateTopicInfo(builder, text, topic.id.value(), 1'000, settings, list, bytes, records);
}

auto encode_offsets(FlatBufferBuilder& builder, const std::map<fake_place, std::uint64_t>& offsets) {
  std::vector<flatbuffers::Offset<wire::PartitionOffset>> encoded;
  for (const auto& [place, offset] : offsets)
    encoded.push_back(wire::CreatePartitionOffset(builder, place.partition, offset, place.topic.value()));
  return builder.CreateVector(encoded);
}

bool matches(const std::string& pattern, const std::string& name) {
  return protocol::topic_pattern::parse(pattern).value().matches(name);
}

}  // namespace

std::uint64_t resolve(const fake_partition& partition, wire::Start start, std::int64_t value) {
  switch (start) {
    case wire::Start::earliest:
      return partition.log_start;
    case wire::Start::latest:
      return partition.end;
    case wire::Start::offset:
      return std::max(static_cast<std::uint64_t>(value), partition.log_start);
    case wire::Start::time:
      break;
  }
  protocol::batch_decoder decoder;
  for (const auto& batch : partition.batches)
    for (const auto& record : decoder.check(protocol::batch_view::parse(batch.bytes).value()).value())
      if (record.timestamp.time_since_epoch().count() >= value) return record.offset.value();
  return partition.end;
}

void fake_session::topics(const wire::Frame& frame) {
  const auto id = frame.id();
  const auto done = [&] { answer(id, [](FlatBufferBuilder& builder) { return wire::CreateOk(builder); }); };
  if (const auto* create = frame.body_as_CreateTopic()) {
    const auto name = create->name()->str();
    if (broker_.topics.contains(name))
      return create->if_absent() ? done() : refuse(id, errc::topic_exists, "topic \"" + name + "\" exists");
    const auto wanted = settings_of(create->settings());
    auto& topic = broker_.add_topic(name, wanted.partitions.value_or(1));
    if (wanted.retention_ms) topic.settings.retention_ms = wanted.retention_ms;
    if (wanted.record_bytes_max) topic.settings.record_bytes_max = wanted.record_bytes_max;
    return done();
  }
  if (const auto* list = frame.body_as_ListTopics())
    return answer(id, [&](FlatBufferBuilder& builder) {
      constexpr std::size_t page = 2;  // small, so that paging is tested
      std::vector<flatbuffers::Offset<wire::TopicInfo>> encoded;
      auto at = broker_.topics.upper_bound(std::string(protocol::text(list->after())));
      for (; at != broker_.topics.end() && encoded.size() < page; ++at)
        encoded.push_back(encode(builder, at->first, at->second, false));
      return wire::CreateListTopicsOk(builder, builder.CreateVector(encoded), at != broker_.topics.end());
    });
  const auto* name = frame.body_as_AlterTopic()    ? frame.body_as_AlterTopic()->name()
                     : frame.body_as_DeleteTopic() ? frame.body_as_DeleteTopic()->name()
                                                   : frame.body_as_DescribeTopic()->name();
  auto* topic = topic_or_refuse(id, name);
  if (topic == nullptr) return;
  if (const auto* alter = frame.body_as_AlterTopic()) {
    const auto wanted = settings_of(alter->settings());
    if (wanted.partitions) topic->partitions.resize(*wanted.partitions);
    return done();
  }
  if (frame.body_as_DeleteTopic() != nullptr) {
    broker_.delete_topic(name->str());
    return done();
  }
  answer(id, [&](FlatBufferBuilder& builder) {
    return wire::CreateDescribeTopicOk(builder, encode(builder, name->str(), *topic, true));
  });
}

void fake_session::reading(const wire::Frame& frame) {
  const auto id = frame.id();
  if (const auto* list = frame.body_as_ListOffsets()) {
    auto* topic = topic_or_refuse(id, list->topic());
    if (topic == nullptr) return;
    std::map<fake_place, std::uint64_t> offsets;
    for (std::uint32_t i = 0; i < topic->partitions.size(); ++i)
      if (protocol::each(list->partitions()).empty() || std::ranges::count(*list->partitions(), i) > 0)
        offsets[{topic->id, i}] = resolve(topic->partitions[i], list->start(), list->value());
    return answer(id, [&](FlatBufferBuilder& builder) {
      return wire::CreateListOffsetsOk(builder, encode_offsets(builder, offsets));
    });
  }
  if (const auto* fetched = frame.body_as_Fetch()) return fetch(id, *fetched);
  if (const auto* subscribed = frame.body_as_Subscribe()) return subscribe(id, *subscribed);
  if (const auto* sought = frame.body_as_Seek()) return seek(id, *sought);
  if (const auto* credit = frame.body_as_Credit()) {
    const auto found = subscriptions_.find(credit->subscription());
    if (found == subscriptions_.end()) return;
    found->second.credit += static_cast<std::int64_t>(credit->bytes());
    return deliver();
  }
  if (const auto* gone = frame.body_as_Unsubscribe()) {
    subscriptions_.erase(gone->subscription());
    return answer(id, [](FlatBufferBuilder& builder) { return wire::CreateOk(builder); });
  }
  refuse(id, errc::unsupported_version, "the fake broker does not know this message");
}

void fake_session::fetch(std::uint64_t id, const wire::Fetch& message) {
  auto* topic = topic_or_refuse(id, message.topic());
  if (topic == nullptr) return;
  if (message.partition() >= topic->partitions.size())
    return refuse(id, errc::unknown_partition, "no such partition");
  const auto& partition = topic->partitions[message.partition()];
  if (message.offset() < partition.log_start || message.offset() > partition.end)
    return refuse(id, errc::offset_out_of_range,
                  "offset " + std::to_string(message.offset()) + " is not there");
  std::vector<std::byte> payload;
  for (const auto& batch : partition.batches)
    if (batch.base + batch.records > message.offset() &&
        (payload.empty() || payload.size() + batch.bytes.size() <= message.bytes_max()))
      payload.insert(payload.end(), batch.bytes.begin(), batch.bytes.end());
  answer(
      id,
      [&](FlatBufferBuilder& builder) {
        return wire::CreateFetchOk(builder, message.offset(), partition.end, partition.log_start);
      },
      payload);
}

void fake_session::subscribe(std::uint64_t id, const wire::Subscribe& message) {
  subscription made;
  made.topic = message.topic()->str();
  const bool pattern = protocol::is_pattern(made.topic);
  fake_topic* const only = pattern ? nullptr : topic_or_refuse(id, message.topic());
  if (only == nullptr && !pattern) return;
  made.all = protocol::each(message.partitions()).empty() || message.others();
  made.credit = static_cast<std::int64_t>(message.credit_bytes());
  made.delivery_bytes_max = message.delivery_bytes_max();
  for (const auto* one : protocol::each(message.partitions())) {
    if (only != nullptr && one->topic_id() != 0 && one->topic_id() != only->id.value())
      return refuse(id, errc::unknown_topic, "the topic was deleted and created anew");
    fake_topic* const topic = only != nullptr ? only : broker_.find_topic(topic_id(one->topic_id()));
    if (topic == nullptr) continue;
    if (one->partition() >= topic->partitions.size())
      return refuse(id, errc::unknown_partition, "no such partition");
    made.next[{topic->id, one->partition()}] =
        resolve(topic->partitions[one->partition()], one->start(), one->value());
  }
  for (auto& [name, topic] : broker_.topics)
    for (std::uint32_t i = 0; made.all && matches(made.topic, name) && i < topic.partitions.size(); ++i)
      made.next.try_emplace({topic.id, i}, resolve(topic.partitions[i], message.start(), message.value()));
  answer(id, [&](FlatBufferBuilder& builder) {
    const auto offsets = encode_offsets(builder, made.next);
    std::vector<flatbuffers::Offset<wire::TopicName>> names;
    for (auto& [name, topic] : broker_.topics)
      if (matches(made.topic, name))
        names.push_back(wire::CreateTopicName(builder, topic.id.value(), builder.CreateString(name)));
    return wire::CreateSubscribeOk(builder, offsets, builder.CreateVector(names));
  });
  subscriptions_[message.subscription()] = std::move(made);
  deliver();
}

void fake_session::seek(std::uint64_t id, const wire::Seek& message) {
  const auto found = subscriptions_.find(message.subscription());
  if (found == subscriptions_.end()) return refuse(id, errc::unknown_subscription, "no such subscription");
  auto& of = found->second;
  std::map<fake_place, std::uint64_t> offsets;
  for (const auto* one : protocol::each(message.partitions())) {
    fake_topic* const topic = broker_.find_topic(topic_id(one->topic_id()));
    if (topic == nullptr || one->partition() >= topic->partitions.size())
      return refuse(id, errc::unknown_partition, "no such partition");
    offsets[{topic->id, one->partition()}] =
        resolve(topic->partitions[one->partition()], one->start(), one->value());
  }
  for (const auto& [place, offset] : offsets) of.next[place] = offset;
  of.seek = message.seek();
  answer(id, [&](FlatBufferBuilder& builder) {
    return wire::CreateSeekOk(builder, encode_offsets(builder, offsets));
  });
  deliver();
}

void fake_session::join_new(std::uint64_t id, subscription& to, const std::string& name,
                            const fake_topic& topic) {
  std::map<fake_place, std::uint64_t> joined;
  for (std::uint32_t i = 0; i < topic.partitions.size(); ++i)
    if (to.next.try_emplace({topic.id, i}, 0).second) joined[{topic.id, i}] = 0;
  if (joined.empty()) return;
  answer(0, [&](FlatBufferBuilder& builder) {
    const auto text = builder.CreateString(name);
    const auto names =
        builder.CreateVector(std::vector{wire::CreateTopicName(builder, topic.id.value(), text)});
    return wire::CreateSubscriptionChanged(builder, id, names, encode_offsets(builder, joined));
  });
}

void fake_session::deliver() {
  for (auto& [id, to] : subscriptions_) {
    for (auto& [name, topic] : broker_.topics)
      if (to.all && matches(to.topic, name)) join_new(id, to, name, topic);
    for (auto& [place, next] : to.next) deliver_from(id, to, place, next);
  }
}

void fake_session::deliver_from(std::uint64_t id, subscription& to, fake_place place, std::uint64_t& next) {
  const fake_topic* const topic = broker_.find_topic(place.topic);
  if (topic == nullptr) return;
  const auto& partition = topic->partitions[place.partition];
  while (to.credit > 0 && next < partition.end) {
    if (next < partition.log_start) {
      answer(0, [&](FlatBufferBuilder& builder) {
        return wire::CreateSubscriptionNotice(
            builder, id, static_cast<std::uint16_t>(errc::offset_out_of_range), builder.CreateString("gone"),
            false, place.partition, next, partition.log_start, place.topic.value());
      });
      next = partition.log_start;
      continue;
    }
    std::vector<std::byte> payload;
    const auto first = next;
    for (const auto& batch : partition.batches) {
      if (batch.base + batch.records <= next) continue;
      if (!payload.empty() && payload.size() + batch.bytes.size() > to.delivery_bytes_max) break;
      payload.insert(payload.end(), batch.bytes.begin(), batch.bytes.end());
      next = batch.base + batch.records;
    }
    to.credit -= static_cast<std::int64_t>(payload.size());
    answer(
        0,
        [&](FlatBufferBuilder& builder) {
          return wire::CreateDelivery(builder, id, to.seek, place.partition, first, partition.end,
                                      partition.log_start, 0, 0, place.topic.value());
        },
        payload);
  }
}

void fake_session::end_subscriptions(const std::string& topic, topic_id deleted) {
  for (auto& [id, followed] : subscriptions_) {
    std::vector<wire::TopicPartition> left;
    std::erase_if(followed.next, [&](const auto& at) {
      if (at.first.topic != deleted) return false;
      left.emplace_back(deleted.value(), at.first.partition);
      return true;
    });
    if (followed.topic == topic || left.empty()) continue;
    answer(0, [&, number = id](FlatBufferBuilder& builder) {
      return wire::CreateSubscriptionChanged(builder, number, 0, 0, builder.CreateVectorOfStructs(left));
    });
  }
  std::erase_if(subscriptions_, [&](const auto& entry) {
    if (entry.second.topic != topic) return false;
    answer(0, [&](FlatBufferBuilder& builder) {
      return wire::CreateSubscriptionNotice(
          builder, entry.first, static_cast<std::uint16_t>(errc::unknown_topic),
          builder.CreateString("topic \"" + topic + "\" was deleted"), true);
    });
    return true;
  });
}

}  // namespace skald::test
