// What publishing and committing share: an append on its way to the shard, and what came of it on its way
// back.
#pragma once

#include "broker/base/buffer.hpp"
#include "broker/server/host.hpp"
#include "protocol/wire.hpp"
#include "skald/protocol/result.hpp"

namespace skald::server::handlers {

// Checks one batch, which must fill `bytes`, and says about it what the shard needs to know.
result<shard::append_request> check_append(session_host& host, const wire::Append& append,
                                           const slice& bytes);

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<wire::Appended>>> write_appended(
    flatbuffers::FlatBufferBuilder& to, const std::vector<shard::append_result>& results);

}  // namespace skald::server::handlers
