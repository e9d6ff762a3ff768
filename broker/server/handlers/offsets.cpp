#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "broker/server/start_resolver.hpp"

namespace skald::server::handlers {

void list_offsets(session& of, std::uint64_t id, const wire::ListOffsets& message) {
  const start_at start = read_start(0, message.start(), message.value());
  std::vector<start_at> starts;
  for (const std::uint32_t partition : protocol::each(message.partitions())) {
    starts.push_back({partition_id(partition), start.kind, start.value});
  }
  resolve_starts(
      of.host(), std::string(protocol::text(message.topic())), std::move(starts), start,
      [request = of.open(id)](const resolved_topic& topic) {
        if (topic.why) return request.fail(topic.why.code, topic.why.message);
        request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
          std::vector<flatbuffers::Offset<wire::PartitionOffset>> offsets;
          offsets.reserve(topic.starts.size());
          for (const resolved_start& one : topic.starts) {
            offsets.push_back(wire::CreatePartitionOffset(builder, one.partition.value(), one.at.value()));
          }
          return wire::CreateListOffsetsOk(builder, builder.CreateVector(offsets));
        });
      });
}

}  // namespace skald::server::handlers
