// Between the public types of queue.hpp and their wire form.
#pragma once

#include <skald/protocol/result.hpp>
#include <skald/queue.hpp>
#include "client/src/session.hpp"
#include "protocol/wire.hpp"

namespace skald::detail {

flatbuffers::Offset<wire::QueueSettings> encode(flatbuffers::FlatBufferBuilder& builder,
                                                const queue_settings& settings);
queue_info decode(const wire::QueueInfo& queue);

// Makes records of what was peeked at; for they are of a batch whose offsets mean nothing.
class peek_decoder {
 public:
  static result<peeked_records> decode(std::string_view topic, partition_id partition,
                                       const incoming_frame& answer);
};

}  // namespace skald::detail
