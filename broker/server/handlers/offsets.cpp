#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "broker/server/start_resolver.hpp"
#include "skald/protocol/topic_pattern.hpp"

namespace skald::server::handlers {

void list_offsets(session& of, std::uint64_t id, const wire::ListOffsets& message) {
  const start_at start = read_start(0, message.start(), message.value());
  std::vector<start_at> starts;
  for (const std::uint32_t partition : protocol::each(message.partitions())) {
    starts.push_back({partition_id(partition), start.kind, start.value});
  }
  const std::optional<start_at> others = starts.empty() ? std::optional(start) : std::nullopt;
  const std::string_view topic = protocol::text(message.topic());
  if (protocol::is_pattern(topic))
    return of.send_error(id, errc::invalid_topic_name, "offsets are listed of one topic, not of a pattern");
  resolve_starts(of.host(), std::string(topic), std::move(starts), others,
                 [request = of.open(id)](const resolved_topics& topics) {
                   if (topics.why) return request.fail(topics.why.code, topics.why.message);
                   request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
                     std::vector<flatbuffers::Offset<wire::PartitionOffset>> offsets;
                     offsets.reserve(topics.starts.size());
                     for (const resolved_start& one : topics.starts) {
                       offsets.push_back(wire::CreatePartitionOffset(builder, one.partition.value(),
                                                                     one.at.value(), one.topic.value()));
                     }
                     return wire::CreateListOffsetsOk(builder, builder.CreateVector(offsets));
                   });
                 });
}

}  // namespace skald::server::handlers
