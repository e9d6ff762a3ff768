// From "where to begin" to an offset per partition: for a start by time, the batch that the shard named is
// read and the first record with that timestamp or later is looked for inside it.
#pragma once

#include <functional>
#include <vector>

#include "broker/server/host.hpp"

namespace skald::server {

struct resolved_start {
  partition_id partition;
  offset at;
};

struct resolved_topic {
  shard::failure why;
  topic_id topic;
  std::vector<resolved_start> starts;
};

// Asks the shard, then looks inside; calls `done` on the reactor, later. See shard_port::locate.
void resolve_starts(session_host& host, std::string topic, std::vector<start_at> starts, start_at otherwise,
                    std::function<void(resolved_topic)> done);

// A start as the wire states it.
start_at read_start(std::uint32_t partition, wire::Start kind, std::int64_t value);
// All of a list. Fails with invalid_request when it names a partition twice.
result<std::vector<start_at>> read_starts(
    const flatbuffers::Vector<flatbuffers::Offset<wire::PartitionStart>>* list);

}  // namespace skald::server
