// From "where to begin" to an offset per partition: for a start by time, the batch that the shard named is
// read and the first record with that timestamp or later is looked for inside it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "broker/server/host.hpp"

namespace skald::server {

struct resolved_start {
  topic_id topic;
  partition_id partition;
  offset at;
};

struct resolved_topics {
  shard::failure why;
  std::vector<shard::shard::resolved_topic> topics;
  std::vector<resolved_start> starts;  // in order of topic and partition
};

// Asks the shard, then looks inside; calls `done` on the reactor, later. See shard_port::locate.
void resolve_starts(session_host& host, std::string topic, std::vector<start_at> starts,
                    std::optional<start_at> others, std::function<void(resolved_topics)> done);
// Looks inside what the shard has located.
void resolve_located(session_host& host, located_topics located, std::function<void(resolved_topics)> done);

// A start as the wire states it.
start_at read_start(std::uint32_t partition, wire::Start kind, std::int64_t value, topic_id topic = {});
// All of a list. Fails with invalid_request when it names a partition twice.
result<std::vector<start_at>> read_starts(
    const flatbuffers::Vector<flatbuffers::Offset<wire::PartitionStart>>* list);

}  // namespace skald::server
