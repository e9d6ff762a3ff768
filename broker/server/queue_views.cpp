// Looking at queues.
#include <algorithm>
#include <utility>

#include "broker/server/queue_service.hpp"

namespace skald::server {

namespace {

constexpr std::size_t peek_bytes_max = 1u << 20;
constexpr std::size_t peek_reason_bytes_max = 256;  // so that a header holds a thousand

}  // namespace

// ---- describing ------------------------------------------------------------------------------------------

// How many records of the queue's topic are not settled; fills in the partitions, if asked to.
std::uint64_t queue_service::unsettled(queue_id id, const state::queue_row& row, queue_info* into) const {
  const shard::queue_state& queues = host_.shard->queues();
  const std::uint32_t partitions = host_.shard->topic(row.topic).settings.partitions;
  std::uint64_t left = 0;
  for (std::uint32_t p = 0; p < partitions; ++p) {
    const auto partition = host_.shard->partition({row.topic, partition_id(p)});
    if (!partition) continue;
    const state::queue_partition_key key{id, partition_id(p)};
    const state::queue_partition_row* known = queues.row(key);
    const std::uint64_t settled_above = known == nullptr ? 0 : known->settled_above;
    const offset floor = queues.floor(key);
    left += partition->end - floor - settled_above;
    if (into != nullptr) into->partitions.push_back({partition_id(p), floor, partition->end, settled_above});
  }
  return left;
}

void queue_service::count_parked(queue_id id, queue_info& into) const {
  const timestamp now = host_.wall(host_.now());
  host_.shard->queues().for_each_range(
      id, [&](const state::queue_record_key& key, const state::queue_record_row& row) {
        if (!row.settled && row.parked_until > now) into.parked += row.end - key.first;
      });
}

queue_info queue_service::info_of(queue_id id, const state::queue_row& row, bool with_partitions) const {
  queue_info info;
  info.name = {host_.shard->topic(row.topic).name, row.name};
  info.created = row.created;
  info.settings = row.settings;
  const std::uint64_t left = unsettled(id, row, with_partitions ? &info : nullptr);
  count_parked(id, info);
  if (const auto queue = active(id)) {
    info.consumers = static_cast<std::uint32_t>(queue->consumers());
    info.leased = queue->count().leased;
  }
  info.ready = left - std::min(left, info.parked + info.leased);
  const found_queue dead = find({dead_topic_of(info.name.topic, row), std::string(dead_queue_name)});
  if (!dead.why) info.dead = unsettled(dead.id, *dead.row, nullptr);
  return info;
}

void queue_service::describe(const queue_name& name,
                             const std::function<void(shard::failure, queue_info)>& tell) {
  const found_queue found = find(name);
  if (found.why) return tell(found.why, {});
  tell({}, info_of(found.id, *found.row, true));
}

void queue_service::list(const std::string& topic, const queue_name& after, std::size_t limit,
                         const std::function<void(std::vector<queue_info>, bool more)>& tell) {
  // Queues are indexed by the id of their topic; people look for them by its name.
  std::vector<std::pair<std::pair<std::string, std::string>, queue_id>> names;
  const std::pair<std::string, std::string> beyond(after.topic, after.queue);
  for (const auto& [key, id] : host_.shard->queues().by_name()) {
    std::pair<std::string, std::string> name(host_.shard->topic(key.first).name, key.second);
    if ((topic.empty() || name.first == topic) && name > beyond) names.emplace_back(std::move(name), id);
  }
  std::sort(names.begin(), names.end());
  const bool more = names.size() > limit;
  if (more) names.resize(limit);
  std::vector<queue_info> infos;
  infos.reserve(names.size());
  for (const auto& [name, id] : names) infos.push_back(info_of(id, *host_.shard->queues().row(id), false));
  tell(std::move(infos), more);
}

// ---- peeking ---------------------------------------------------------------------------------------------

namespace {

// Picks the records of one batch that are not settled.
queue_peek pick(const queue_host& host, const state::queue_partition_key& of, offset from, std::size_t limit,
                stored_records& batch) {
  queue_peek seen;
  const shard::queue_state& queues = host.shard->queues();
  const timestamp now = host.wall(host.now());
  protocol::batch_builder builder(4096);
  offset at = std::max(from, queues.floor(of));
  auto known = queues.next_range(of, at);
  while (at < batch.end() && seen.records.size() < limit && builder.bytes() < peek_bytes_max) {
    if (known && known->second.end <= at) known = queues.next_range(of, at);
    const state::queue_record_row* history = known && known->first <= at ? &known->second : nullptr;
    if (history != nullptr && history->settled) {
      at = history->end;
      continue;
    }
    if (!batch.holds(at)) {  // compaction has taken it
      at = batch.first_from(at);
      continue;
    }
    peeked_record record;
    record.at = at;
    if (history != nullptr) {
      record.attempts = history->attempts;
      record.reason = history->reason.substr(0, peek_reason_bytes_max);
      if (history->parked_until > now) record.due = history->parked_until;
    }
    at = batch.copy(at, at + 1, peek_bytes_max, builder);
    seen.records.push_back(std::move(record));
  }
  seen.next = std::max(at, from);
  if (!builder.empty()) seen.batch = slice::copy_of(builder.finish());
  return seen;
}

}  // namespace

void queue_service::peek(const queue_name& name, partition_id partition, offset from, std::size_t limit,
                         std::function<void(queue_peek)> tell) {
  const found_queue found = find(name);
  if (found.why) return tell({.why = found.why, .records = {}, .batch = {}, .next = {}});
  const partition_ref of{found.row->topic, partition};
  const auto info = host_.shard->partition(of);
  if (!info)
    return tell(
        {.why = {errc::unknown_partition, "there is no partition " + std::to_string(partition.value())},
         .records = {},
         .batch = {},
         .next = {}});
  const state::queue_partition_key key{found.id, partition};
  offset at = std::max(from, host_.shard->queues().floor(key));
  if (const auto known = host_.shard->queues().next_range(key, at);
      known && known->second.settled && known->first <= at)
    at = known->second.end;
  if (at >= info->end) return tell({.why = {}, .records = {}, .batch = {}, .next = at, .more = false});

  const auto look = [this, key, of, at, limit, tell = std::move(tell)](const fetched_records& seen) {
    if (seen.why) return tell({.why = seen.why, .records = {}, .batch = {}, .next = at});
    queue_peek picked;
    if (seen.batches.empty()) {
      picked.next = std::max(at, seen.next);
    } else {
      picked = pick(host_, key, at, limit, *seen.batches.front());
    }
    const auto now = host_.shard->partition(of);
    picked.more = now && picked.next < now->end;
    tell(std::move(picked));
  };
  if (const auto seen = fetch_records(host_, of, at, 0, look)) look(*seen);
}

}  // namespace skald::server
