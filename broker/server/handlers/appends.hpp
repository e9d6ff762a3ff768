// What publishing and committing share: an append on its way to the shard, and what came of it on its way
// back.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#include "broker/base/buffer.hpp"
#include "broker/server/host.hpp"
#include "protocol/wire.hpp"
#include "skald/protocol/result.hpp"

namespace skald::server::handlers {

inline std::chrono::milliseconds milliseconds_of(std::uint64_t count) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(count, most)));
}

// Checks one batch, which must fill `bytes`, and says about it what the shard needs to know.
result<shard::append_request> check_append(session_host& host, const wire::Append& append,
                                           const slice& bytes);

// What a message with deliver_at_ms and delay_ms says about time. An absurd delay stays absurd: the shard
// refuses it.
template <class Message>
shard::due_time due_time_of(const Message& message) {
  shard::due_time due;
  if (const auto at = message.deliver_at_ms(); at.has_value())
    due.at = timestamp(std::chrono::milliseconds(at.value()));
  if (const auto delay = message.delay_ms(); delay.has_value()) due.after = milliseconds_of(delay.value());
  return due;
}

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<wire::Appended>>> write_appended(
    flatbuffers::FlatBufferBuilder& to, const std::vector<shard::append_result>& results);

}  // namespace skald::server::handlers
