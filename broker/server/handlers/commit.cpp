#include <fmt/format.h>

#include <utility>

#include "broker/server/handlers/appends.hpp"
#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"

namespace skald::server::handlers {

namespace {

void refuse(const pending_request& request, const shard::failure& why, shard::commit_part part,
            std::uint64_t version) {
  request.answer([&](flatbuffers::FlatBufferBuilder& to) {
    const auto message = to.CreateString(why.message);
    return wire::CreateCommitRefused(to, static_cast<std::uint16_t>(why.code), message,
                                     static_cast<wire::CommitPart>(part.what), part.index, version);
  });
}

}  // namespace

void commit(session& of, std::uint64_t id, const wire::Commit& message, const slice& payload) {
  const pending_request request = of.open(id, payload.size());
  shard::commit_request what;
  what.batches = payload;
  if (const auto producer = message.producer_id(); producer.has_value()) {
    what.producer = producer_id(producer.value());
    what.epoch = producer_epoch(message.producer_epoch());
    what.sequence = message.sequence();
  }
  for (const wire::TimerChange* const change : protocol::each(message.timers()))
    what.timers.push_back({.owner = std::string(protocol::text(change->owner())),
                           .name = std::string(protocol::text(change->name())),
                           .move_to = due_time_of(*change),
                           .if_exists = change->if_exists()});
  std::size_t position = 0;
  for (const wire::Append* const append : protocol::each(message.appends())) {
    const shard::commit_part part{shard::commit_part::kind::append,
                                  static_cast<std::uint32_t>(what.appends.size())};
    auto checked = check_append(of.host(), *append, payload.sub(position, append->batch_bytes()));
    position += append->batch_bytes();
    if (!checked) return refuse(request, {checked.error().code, checked.error().message}, part, 0);
    if (checked->producer) {
      return refuse(
          request,
          {errc::invalid_request, "a batch of a commit has no producer of its own; the commit has one"}, part,
          0);
    }
    what.appends.push_back(std::move(*checked));
  }
  of.host().shard.commit(std::move(what), [request](const shard::commit_result& result) {
    if (result.why) return refuse(request, result.why, result.refused, result.version);
    request.answer([&](flatbuffers::FlatBufferBuilder& to) {
      return wire::CreateCommitOk(to, write_appended(to, result.appends), result.duplicate);
    });
  });
}

}  // namespace skald::server::handlers
