#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::server::handlers {

namespace {

using builder = flatbuffers::FlatBufferBuilder;

// Fields of settings that were given, whichever request they came with.
using given = shard::topic_changes;

given read_settings(const wire::TopicSettings* from) {
  if (from == nullptr) return {};
  std::optional<shard::topic_cleanup> cleanup;
  if (from->cleanup().has_value()) cleanup = static_cast<shard::topic_cleanup>(from->cleanup().value());
  return {from->partitions(),
          from->retention_bytes(),
          from->retention_ms(),
          from->bytes_max(),
          from->record_bytes_max(),
          from->batch_bytes_max(),
          cleanup,
          from->compact_after_ms(),
          from->keep_tombstones_ms()};
}

shard::topic_index index_of(const wire::TopicSettings* from) {
  return from != nullptr && from->index() == wire::Index::key ? shard::topic_index::key
                                                              : shard::topic_index::none;
}

// What is wrong with these settings by themselves; empty when nothing is.
std::string complaint(const given& settings, const session_settings& limits) {
  const auto positive_or_unlimited = [](std::string_view name, const std::optional<std::int64_t>& value) {
    return value && *value != shard::unlimited && *value <= 0
               ? fmt::format("{} is {}; it must be greater than 0, or -1 for unlimited", name, *value)
               : std::string();
  };
  const auto within = [](std::string_view name, const std::optional<std::uint32_t>& value,
                         std::uint32_t max) {
    return value && (*value == 0 || *value > max)
               ? fmt::format("{} is {}; it must be from 1 to {}", name, *value, max)
               : std::string();
  };
  const auto not_negative = [](std::string_view name, const std::optional<std::int64_t>& value) {
    return value && *value < 0 ? fmt::format("{} is {}; it must be 0 or more", name, *value) : std::string();
  };
  // A batch travels in a frame, beside its header.
  const std::uint32_t batch_max = limits.frames.frame_bytes_max - limits.frames.header_bytes_max;
  const std::string found[] = {
      within("partitions", settings.partitions, static_cast<std::uint32_t>(protocol::partitions_max)),
      positive_or_unlimited("retention_bytes", settings.retention_bytes),
      positive_or_unlimited("retention_ms", settings.retention_ms),
      positive_or_unlimited("bytes_max", settings.bytes_max),
      within("record_bytes_max", settings.record_bytes_max, batch_max),
      within("batch_bytes_max", settings.batch_bytes_max, batch_max),
      not_negative("compact_after_ms", settings.compact_after_ms),
      not_negative("keep_tombstones_ms", settings.keep_tombstones_ms)};
  const auto bad = std::find_if(std::begin(found), std::end(found), [](auto& text) { return !text.empty(); });
  return bad == std::end(found) ? std::string() : *bad;
}

flatbuffers::Offset<wire::TopicInfo> write_topic(builder& to, const shard::topic_info& topic) {
  const auto name = to.CreateString(topic.name);
  std::vector<flatbuffers::Offset<wire::PartitionInfo>> partitions;
  partitions.reserve(topic.partitions.size());
  for (const shard::partition_info& one : topic.partitions) {
    partitions.push_back(wire::CreatePartitionInfo(to, one.partition.value(), one.log_start.value(),
                                                   one.end.value(), one.bytes));
  }
  const auto list = to.CreateVector(partitions);
  const shard::topic_settings& is = topic.settings;
  const auto settings = wire::CreateTopicSettings(
      to, is.partitions, is.retention_bytes, is.retention_ms, is.bytes_max, is.record_bytes_max,
      is.batch_bytes_max, static_cast<wire::Index>(is.index), static_cast<wire::Cleanup>(is.cleanup),
      is.compact_after_ms, is.keep_tombstones_ms);
  return wire::CreateTopicInfo(to, name, topic.id.value(), topic.created.time_since_epoch().count(), settings,
                               list, topic.bytes, topic.records);
}

auto describe(const shard::topic_info& topic) {
  return [&topic](builder& to) { return wire::CreateDescribeTopicOk(to, write_topic(to, topic)); };
}

// Answers a request that changes a topic: done, or why not.
shard::shard::topic_done answer_done(pending_request request) {
  return [request = std::move(request)](const shard::failure& why, const shard::topic_info&) {
    if (why) return request.fail(why.code, why.message);
    request.answer([](builder& to) { return wire::CreateOk(to); });
  };
}

// Whether the request may go on; otherwise it has been answered.
bool check_name(session& of, std::uint64_t id, std::string_view name) {
  const result<> checked = protocol::check_topic_name(name);
  if (!checked) of.send_error(id, checked.error().code, checked.error().message);
  return checked.has_value();
}

bool check_settings(session& of, std::uint64_t id, const given& settings) {
  const std::string wrong = complaint(settings, of.host().settings);
  if (!wrong.empty()) of.send_error(id, errc::invalid_settings, wrong);
  return wrong.empty();
}

}  // namespace

std::string shown(std::string_view name) {
  constexpr std::size_t shown_max = 64;
  std::string out = "'";
  for (const char c : name.substr(0, shown_max)) {
    const bool plain = c >= 0x20 && c < 0x7f;
    out += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  out += name.size() > shown_max ? "...'" : "'";
  return out;
}

void create_topic(session& of, std::uint64_t id, const wire::CreateTopic& message) {
  const std::string_view name = protocol::text(message.name());
  const given asked = read_settings(message.settings());
  if (!check_name(of, id, name) || !check_settings(of, id, asked)) return;
  shard::topic_settings settings = shard::changed({}, asked);
  settings.index = index_of(message.settings());
  of.host().shard.create_topic(std::string(name), settings, message.if_absent(), answer_done(of.open(id)));
}

void alter_topic(session& of, std::uint64_t id, const wire::AlterTopic& message) {
  const std::string_view name = protocol::text(message.name());
  const given asked = read_settings(message.settings());
  if (!check_name(of, id, name) || !check_settings(of, id, asked)) return;
  if (message.settings() != nullptr && message.settings()->index().has_value()) {
    return of.send_error(id, errc::invalid_settings,
                         "the index of a topic is fixed when it is created; create another topic");
  }
  of.host().shard.alter_topic(std::string(name), asked, answer_done(of.open(id)));
}

void delete_topic(session& of, std::uint64_t id, const wire::DeleteTopic& message) {
  const std::string_view name = protocol::text(message.name());
  if (!check_name(of, id, name)) return;
  of.host().shard.delete_topic(std::string(name), [request = of.open(id)](const shard::failure& why) {
    if (why) return request.fail(why.code, why.message);
    request.answer([](builder& to) { return wire::CreateOk(to); });
  });
}

void describe_topic(session& of, std::uint64_t id, const wire::DescribeTopic& message) {
  std::string name(protocol::text(message.name()));
  of.host().shard.describe_topic(
      name, [name, request = of.open(id)](const std::optional<shard::topic_info>& topic) {
        if (!topic)
          return request.fail(errc::unknown_topic, fmt::format("there is no topic {}", shown(name)));
        request.answer(describe(*topic));
      });
}

void list_topics(session& of, std::uint64_t id, const wire::ListTopics& message) {
  constexpr std::uint32_t page_max = 1000;
  const std::uint32_t limit = message.limit() == 0 ? page_max : std::min(message.limit(), page_max);
  of.host().shard.list_topics(
      std::string(protocol::text(message.after())), limit,
      [request = of.open(id)](const std::vector<shard::topic_info>& topics, bool more) {
        request.answer([&](builder& to) {
          std::vector<flatbuffers::Offset<wire::TopicInfo>> list;
          list.reserve(topics.size());
          for (const shard::topic_info& topic : topics) list.push_back(write_topic(to, topic));
          return wire::CreateListTopicsOk(to, to.CreateVector(list), more);
        });
      });
}

}  // namespace skald::server::handlers
