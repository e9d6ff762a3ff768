#include "broker/server/commit_service.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace skald::server {

namespace {

std::vector<partition_ref> partitions_of(const member_positions& of) {
  std::vector<partition_ref> partitions;
  partitions.reserve(of.next.size());
  for (const auto& [partition, next] : of.next) partitions.push_back(partition);
  return partitions;
}

shard::group_positions as_command(const member_positions& from) {
  shard::group_positions made{.group = from.group, .positions = {}};
  made.positions.reserve(from.next.size());
  for (const auto& [of, next] : from.next) made.positions.push_back({{of.topic, of.partition}, next});
  return made;
}

shard::failure not_held(const held_records& one) {
  return {errc::unknown_lease,
          fmt::format("no consumer of this connection holds records {} to {} under lease {}: it has run out, "
                      "its connection was lost, or they are settled already; they may come again",
                      one.what.first.value(), one.what.end.value() - 1, one.what.lease.value())};
}

}  // namespace

bool commit_service::take(commit_inputs inputs, shard::commit_request& into, taken& all,
                          shard::commit_result& refused) {
  for (member_positions& one : inputs.positions) {
    const auto index = static_cast<std::uint32_t>(all.positions.size());
    refused.refused = {shard::commit_part::kind::position, index};
    refused.why = groups_.begin_commit(one.group, one.by, partitions_of(one));
    if (refused.why) return false;
    into.positions.push_back(as_command(one));
    all.positions.push_back(std::move(one));
  }
  all.leases.reserve(inputs.leases.size());
  into.settled.reserve(inputs.leases.size());
  for (const held_records& one : inputs.leases) {
    auto held = queues_.set_aside(one.consumer, one.what);
    if (!held) {
      refused.refused = {shard::commit_part::kind::settlement, static_cast<std::uint32_t>(all.leases.size())};
      refused.why = not_held(one);
      return false;
    }
    into.settled.push_back({held->of->id(), held->what.partition, one.what.first, one.what.end});
    all.leases.push_back(std::move(*held));
  }
  refused.refused = {};
  return true;
}

void commit_service::let_go(const taken& all, bool took_effect) {
  for (const queue_service::held_lease& one : all.leases) queue_service::committed(one, took_effect);
  for (const member_positions& one : all.positions) groups_.committed(one.group, partitions_of(one));
}

void commit_service::commit(shard::commit_request what, commit_inputs inputs,
                            shard::shard::commit_done done) {
  std::optional<name> is;
  if (what.producer) {
    is = name{*what.producer, what.epoch, what.sequence};
    if (const auto first_try = under_way_.find(*is); first_try != under_way_.end())
      return first_try->second.push_back(std::move(done));
    if (auto known = shard_->find_commit(is->by, is->epoch, is->sequence)) return done(std::move(*known));
  }
  const auto all = std::make_shared<taken>();
  shard::commit_result refused;
  if (!take(std::move(inputs), what, *all, refused)) {
    let_go(*all, false);
    return done(std::move(refused));
  }
  if (is) under_way_.emplace(*is, listeners());
  shard_->commit(std::move(what),
                 [this, is, all, done = std::move(done)](const shard::commit_result& result) {
                   let_go(*all, !result.why);
                   if (!is) return done(result);
                   // A later try may come while these are told.
                   const listeners others = std::move(under_way_.extract(*is).mapped());
                   done(result);
                   for (const auto& each : others) each(result);
                 });
}

// ---- a reactor's side ----------------------------------------------------------------------------------

void commit_link::commit(shard::commit_request what, commit_inputs inputs, shard::shard::commit_done done) {
  to_.runs_on().post([&to = to_, &here = here_, what = std::move(what), inputs = std::move(inputs),
                      done = std::move(done)]() mutable {
    to.commit(std::move(what), std::move(inputs),
              [&here, done = std::move(done)](shard::commit_result result) {
                here.post([done, result = std::move(result)] { done(result); });
              });
  });
}

}  // namespace skald::server
