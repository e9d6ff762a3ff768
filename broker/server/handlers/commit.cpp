#include <fmt/format.h>

#include <utility>

#include "broker/server/handlers/appends.hpp"
#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "skald/protocol/topic_name.hpp"

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

void refuse_or_tell(const pending_request& request, const shard::commit_result& result) {
  if (result.why) return refuse(request, result.why, result.refused, result.version);
  request.answer([&](flatbuffers::FlatBufferBuilder& to) {
    return wire::CreateCommitOk(to, write_appended(to, result.appends), result.duplicate);
  });
}

std::vector<shard::timer_request> timers_of(const wire::Commit& message) {
  std::vector<shard::timer_request> timers;
  timers.reserve(protocol::each(message.timers()).size());
  for (const wire::TimerChange* const change : protocol::each(message.timers()))
    timers.push_back({.owner = std::string(protocol::text(change->owner())),
                      .name = std::string(protocol::text(change->name())),
                      .move_to = due_time_of(*change),
                      .if_exists = change->if_exists()});
  return timers;
}

// Whether they can be read; otherwise the request has been answered.
bool read_appends(session_host& host, const pending_request& request, const wire::Commit& message,
                  const slice& payload, std::vector<shard::append_request>& into) {
  std::size_t position = 0;
  into.reserve(protocol::each(message.appends()).size());
  for (const wire::Append* const append : protocol::each(message.appends())) {
    const shard::commit_part part{shard::commit_part::kind::append, static_cast<std::uint32_t>(into.size())};
    auto checked = check_append(host, *append, payload.sub(position, append->batch_bytes()));
    position += append->batch_bytes();
    if (!checked) {
      refuse(request, {checked.error().code, checked.error().message}, part, 0);
      return false;
    }
    if (checked->producer) {
      refuse(request,
             {errc::invalid_request, "a batch of a commit has no producer of its own; the commit has one"},
             part, 0);
      return false;
    }
    into.push_back(std::move(*checked));
  }
  return true;
}

// Whether the groups have names; otherwise the request has been answered.
bool check_groups(const pending_request& request, const wire::Commit& message) {
  std::uint32_t index = 0;
  for (const wire::CommitOffsets* const one : protocol::each(message.positions())) {
    const result<> checked = protocol::check_group_name(protocol::text(one->group()));
    if (!checked) {
      refuse(request, {checked.error().code, checked.error().message},
             {shard::commit_part::kind::position, index}, 0);
      return false;
    }
    ++index;
  }
  return true;
}

commit_inputs inputs_of(session& of, const wire::Commit& message) {
  commit_inputs inputs;
  for (const wire::CommitOffsets* const one : protocol::each(message.positions())) {
    member_positions& read = inputs.positions.emplace_back();
    read.group = protocol::text(one->group());
    read.by = {delivery::member_id(one->member()), delivery::member_epoch(one->epoch())};
    read.next.reserve(one->offsets()->size());
    for (const wire::PartitionOffset* const at : *one->offsets())
      read.next.push_back({{topic_id(at->topic_id()), partition_id(at->partition())}, offset(at->offset())});
  }
  if (message.settlements() == nullptr) return inputs;
  inputs.leases.reserve(message.settlements()->size());
  for (const wire::AckedRun* const run : *message.settlements())
    inputs.leases.push_back(
        {of.queues().find(run->consumer()),
         {delivery::lease_id(run->lease()), offset(run->first()), offset(run->first() + run->count())}});
  return inputs;
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
  what.timers = timers_of(message);
  if (!read_appends(of.host(), request, message, payload, what.appends)) return;
  if (!check_groups(request, message)) return;
  auto done = [request](const shard::commit_result& result) { refuse_or_tell(request, result); };
  commit_inputs inputs = inputs_of(of, message);
  if (inputs.empty()) return of.host().shard.commit(std::move(what), std::move(done));
  of.host().commits->commit(std::move(what), std::move(inputs), std::move(done));
}

}  // namespace skald::server::handlers
