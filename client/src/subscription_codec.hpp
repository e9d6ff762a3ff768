// Between what a subscription knows of partitions and the wire form of it.
#pragma once

#include <vector>

#include "client/src/subscriber_core.hpp"
#include "protocol/wire.hpp"

namespace skald::detail {

inline flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<wire::PartitionStart>>> encode_starts(
    flatbuffers::FlatBufferBuilder& builder, const std::vector<placed_start>& starts) {
  std::vector<flatbuffers::Offset<wire::PartitionStart>> encoded;
  encoded.reserve(starts.size());
  for (const auto& one : starts)
    encoded.push_back(wire::CreatePartitionStart(builder, one.of.partition.value(),
                                                 static_cast<wire::Start>(one.from.what()), one.from.value(),
                                                 one.of.topic.value()));
  return builder.CreateVector(encoded);
}

template <class Offsets>
std::vector<placed_offset> decode_offsets(const Offsets* offsets) {
  std::vector<placed_offset> decoded;
  for (const auto* one : protocol::each(offsets))
    decoded.push_back({{topic_id(one->topic_id()), partition_id(one->partition())}, offset(one->offset())});
  return decoded;
}

template <class Topics>
std::vector<named_topic> decode_topics(const Topics* topics) {
  std::vector<named_topic> decoded;
  for (const auto* one : protocol::each(topics))
    decoded.push_back({topic_id(one->topic_id()), one->name()->str()});
  return decoded;
}

inline std::vector<topic_partition> decode_places(
    const flatbuffers::Vector<const wire::TopicPartition*>* places) {
  std::vector<topic_partition> decoded;
  for (const auto* one : protocol::each(places))
    decoded.push_back({topic_id(one->topic_id()), partition_id(one->partition())});
  return decoded;
}

}  // namespace skald::detail
