#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "skald/protocol/record_batch.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::server::handlers {

namespace {

// The appends of one Publish: each succeeds or fails by itself, and they are answered together.
struct publication {
  std::vector<shard::append_result> results;
  std::vector<std::size_t> sent;  // which of them the shard decides on, in its order
};

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

// Checks one batch, which must fill `bytes`, and says about it what the shard needs to know.
result<shard::append_request> check(session_host& host, const wire::Append& append, const slice& bytes) {
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
  if (const auto producer = batch->producer()) {
    request.producer = producer->id;
    request.epoch = producer->epoch;
    request.base_sequence = producer->base_sequence;
  }
  return request;
}

void answer(const pending_request& request, const std::vector<shard::append_result>& results,
            durability reached) {
  request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
    std::vector<flatbuffers::Offset<wire::Appended>> appended;
    appended.reserve(results.size());
    for (const shard::append_result& one : results) {
      const auto message = one.why.message.empty() ? flatbuffers::Offset<flatbuffers::String>()
                                                   : builder.CreateString(one.why.message);
      const std::int64_t base = one.base_offset ? static_cast<std::int64_t>(one.base_offset->value()) : -1;
      appended.push_back(wire::CreateAppended(builder, static_cast<std::uint16_t>(one.why.code), message,
                                              base, one.duplicate, one.partitions));
    }
    return wire::CreatePublishOk(builder, builder.CreateVector(appended),
                                 static_cast<wire::Durability>(reached));
  });
}

}  // namespace

void init_producer(session& of, std::uint64_t id) {
  of.host().shard.init_producer(
      [request = of.open(id)](const shard::failure& why, producer_id producer, producer_epoch epoch) {
        if (why) return request.fail(why.code, why.message);
        request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
          return wire::CreateInitProducerOk(builder, producer.value(), epoch.value());
        });
      });
}

void publish(session& of, std::uint64_t id, const wire::Publish& message, const slice& payload) {
  const auto wanted = static_cast<durability>(message.durability());
  // The quorum of one replica is that replica's disk.
  const durability reached = std::min(wanted, durability::disk);
  const pending_request request = of.open(id, payload.size());
  auto state = std::make_shared<publication>();
  state->results.resize(message.appends()->size());
  std::vector<shard::append_request> appends;
  appends.reserve(state->results.size());

  std::size_t position = 0;
  std::size_t index = 0;
  for (const wire::Append* const append : *message.appends()) {
    auto checked = check(of.host(), *append, payload.sub(position, append->batch_bytes()));
    position += append->batch_bytes();
    if (checked) {
      state->sent.push_back(index);
      appends.push_back(std::move(*checked));
    } else {
      state->results[index].why = {checked.error().code, checked.error().message};
    }
    ++index;
  }
  if (appends.empty()) return answer(request, state->results, reached);

  of.host().shard.append(std::move(appends), wanted,
                         [request, state, reached](std::vector<shard::append_result> decided) {
                           for (std::size_t i = 0; i < decided.size(); ++i) {
                             state->results[state->sent[i]] = std::move(decided[i]);
                           }
                           answer(request, state->results, reached);
                         });
}

}  // namespace skald::server::handlers
