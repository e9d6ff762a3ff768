#include "broker/server/handlers/appends.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "skald/protocol/partitioner.hpp"
#include "skald/protocol/record_batch.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::server::handlers {

namespace {

std::uint32_t hash_of(std::string_view key) {
  return static_cast<std::uint32_t>(protocol::murmur2(key)) & 0x7fffffffu;
}

std::shared_ptr<const shard::append_conditions> conditions_of(const wire::Append& append) {
  shard::append_conditions wants{.due = due_time_of(append)};
  wants.expected_version = append.expected_version();
  if (const auto ttl = append.ttl_ms(); ttl.has_value()) wants.ttl = milliseconds_of(ttl.value());
  wants.message_id = protocol::text(append.message_id());
  wants.timer_owner = protocol::text(append.timer_owner());
  wants.timer_name = protocol::text(append.timer_name());
  const bool any = wants.due || wants.expected_version || wants.ttl || append.message_id() != nullptr ||
                   !wants.timer_owner.empty() || !wants.timer_name.empty();
  return any ? std::make_shared<const shard::append_conditions>(std::move(wants)) : nullptr;
}

std::uint32_t largest_record(const protocol::record_range& records) {
  std::size_t largest = 0;
  for (const protocol::record_view& record : records) {
    std::size_t bytes = (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
    for (const protocol::header_view& header : record.headers) {
      bytes += header.key.size() + (header.value ? header.value->size() : 0);
    }
    largest = std::max(largest, bytes);
  }
  return static_cast<std::uint32_t>(largest);
}

}  // namespace

result<shard::append_request> check_append(session_host& host, const wire::Append& append,
                                           const slice& bytes) {
  const std::string_view topic = protocol::text(append.topic());
  if (const result<> name = protocol::check_topic_name(topic); !name) return name.error();
  const auto batch = protocol::batch_view::parse(bytes.bytes());
  if (!batch) return batch.error();
  if (batch->size() != bytes.size()) {
    return failure{
        errc::corrupt_batch,
        fmt::format("the batch says that it has {} bytes, the append {}; an append is one whole batch",
                    batch->size(), bytes.size())};
  }
  protocol::batch_limits limits;
  limits.batch_bytes_max = host.settings.frames.frame_bytes_max;
  const auto records = host.decoder.check(*batch, limits);
  if (!records) return records.error();

  shard::append_request request;
  request.topic = topic;
  request.partition = partition_id(append.partition());
  request.batch = bytes;
  request.records = static_cast<std::uint32_t>(records->size());
  request.record_bytes_largest = largest_record(*records);
  request.timestamp_max = batch->max_timestamp();
  if (append.by_key()) request.key_hash = hash_of((*records->begin()).key.value_or(""));
  request.conditions = conditions_of(append);
  if (const auto producer = batch->producer()) {
    request.producer = producer->id;
    request.epoch = producer->epoch;
    request.base_sequence = producer->base_sequence;
  }
  return request;
}

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<wire::Appended>>> write_appended(
    flatbuffers::FlatBufferBuilder& to, const std::vector<shard::append_result>& results) {
  std::vector<flatbuffers::Offset<wire::Appended>> appended;
  appended.reserve(results.size());
  for (const shard::append_result& one : results) {
    const auto message = one.why.message.empty() ? flatbuffers::Offset<flatbuffers::String>()
                                                 : to.CreateString(one.why.message);
    const std::int64_t base = one.base_offset ? static_cast<std::int64_t>(one.base_offset->value()) : -1;
    appended.push_back(wire::CreateAppended(to, static_cast<std::uint16_t>(one.why.code), message, base,
                                            one.duplicate, one.partitions, one.partition.value(),
                                            one.version));
  }
  return to.CreateVector(appended);
}

}  // namespace skald::server::handlers
