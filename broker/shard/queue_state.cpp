#include "broker/shard/queue_state.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace skald::shard {

using state::queue_partition_key;
using state::queue_partition_row;
using state::queue_record_key;
using state::queue_record_row;
using state::queue_row;

namespace {

failure no_queue(queue_id queue) {
  return {errc::unknown_queue, "the queue with the id " + std::to_string(queue.value()) +
                                   " has been deleted; create it again if it is still wanted"};
}

}  // namespace

queue_state::queue_state(state::tables& over) : tables_(over) {
  for (const auto& [id, queue] : tables_.queues) by_name_.emplace(name_key(queue.topic, queue.name), id);
}

// ---- questions ----

std::optional<queue_id> queue_state::find(topic_id topic, std::string_view name) const {
  const auto found = by_name_.find(name_key(topic, name));
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

offset queue_state::floor(const queue_partition_key& of) const {
  const queue_partition_row* row = tables_.queue_partitions.find(of);
  const offset settled = row == nullptr ? offset() : row->floor;
  const queue_row* queue = tables_.queues.find(of.queue);
  if (queue == nullptr) return settled;
  const state::partition_row* partition = tables_.partitions.find({queue->topic, of.partition});
  return partition == nullptr ? settled : std::max(settled, partition->log_start);
}

std::optional<queue_state::known_range> queue_state::range_at_or_before(const queue_partition_key& of,
                                                                        offset at) const {
  auto found = tables_.queue_records.at_or_before({of, at});
  if (!found || found->first.of != of) return std::nullopt;
  return known_range(found->first.first, std::move(found->second));
}

std::optional<queue_state::known_range> queue_state::next_range(const queue_partition_key& of,
                                                                offset from) const {
  const queue_partition_row* row = tables_.queue_partitions.find(of);
  if (row == nullptr || row->ranges_above == 0) return std::nullopt;
  if (auto around = range_at_or_before(of, from); around && around->second.end > from) return around;
  std::optional<known_range> next;
  tables_.queue_records.scan({of, from}, [&](const queue_record_key& key, const queue_record_row& range) {
    if (key.of == of) next.emplace(key.first, range);
    return false;
  });
  return next;
}

void queue_state::for_each_range(
    queue_id queue,
    const std::function<void(const queue_record_key&, const queue_record_row&)>& visit) const {
  tables_.queue_records.scan({{queue, partition_id(0)}, offset()},
                             [&](const queue_record_key& key, const queue_record_row& range) {
                               if (key.of.queue != queue) return false;
                               visit(key, range);
                               return true;
                             });
}

// ---- queues ----

failure queue_state::create(const create_queue_command& c, queue_id& made) {
  const state::topic_row* topic = tables_.topics.find(c.topic);
  if (topic == nullptr)
    return {errc::unknown_topic, "the topic with the id " + std::to_string(c.topic.value()) +
                                     " has been deleted; create it again if it is still wanted"};
  if (const auto existing = find(c.topic, c.name)) {
    made = *existing;
    if (c.if_absent) return {};
    return {errc::queue_exists, "topic '" + topic->name + "' has a queue named '" + c.name + "' already"};
  }
  if (tables_.queues.size() >= c.queues_max)
    return {errc::overloaded,
            "there are " + std::to_string(c.queues_max) + " queues already; delete one that is not needed"};
  made = queue_id(tables_.meta.next_topic.value());
  tables_.meta.next_topic = topic_id(made.value() + 1);
  tables_.queues.put(made, {.name = c.name, .topic = c.topic, .created = c.now, .settings = c.settings});
  by_name_.emplace(name_key(c.topic, c.name), made);
  if (!c.from_end) return {};
  for (std::uint32_t p = 0; p < topic->settings.partitions; ++p) {
    const state::partition_row* partition = tables_.partitions.find({c.topic, partition_id(p)});
    if (partition->end > offset())
      tables_.queue_partitions.put({made, partition_id(p)}, {.floor = partition->end});
  }
  return {};
}

failure queue_state::alter(const alter_queue_command& c) {
  queue_row* queue = tables_.queues.edit(c.queue);
  if (queue == nullptr) return no_queue(c.queue);
  queue->settings = c.settings;
  return {};
}

failure queue_state::remove(queue_id queue) {
  const queue_row* row = tables_.queues.find(queue);
  if (row == nullptr) return no_queue(queue);
  by_name_.erase(name_key(row->topic, row->name));
  tables_.queues.erase(queue);
  std::vector<queue_partition_key> partitions;
  for (auto at = tables_.queue_partitions.lower_bound({queue, partition_id(0)});
       at != tables_.queue_partitions.end() && (*at).first.queue == queue; ++at)
    partitions.push_back((*at).first);
  for (const queue_partition_key& key : partitions) {
    std::vector<queue_record_key> ranges;
    tables_.queue_records.scan({key, offset()}, [&](const queue_record_key& at, const queue_record_row&) {
      if (at.of != key) return false;
      ranges.push_back(at);
      return true;
    });
    for (const queue_record_key& range : ranges) tables_.queue_records.erase(range);
    tables_.queue_partitions.erase(key);
  }
  return {};
}

// ---- records ----

failure queue_state::check(const queue_range& range) const {
  const queue_row* queue = tables_.queues.find(range.queue);
  if (queue == nullptr) return no_queue(range.queue);
  const queue_partition_key of{range.queue, range.partition};
  bool settled = range.first < floor(of);
  if (!settled) {
    const auto known = next_range(of, range.first);
    settled = known && known->first < range.end && known->second.settled;
    if (known && !settled && known->second.end < range.end)
      return check({range.queue, range.partition, known->second.end, range.end});
  }
  if (!settled) return {};
  return {errc::unknown_lease, "some of the records " + std::to_string(range.first.value()) + " to " +
                                   std::to_string(range.end.value()) + " of partition " +
                                   std::to_string(range.partition.value()) + " of queue '" + queue->name +
                                   "' are settled already"};
}

void queue_state::settle(const queue_range& range) {
  const queue_row* queue = tables_.queues.find(range.queue);
  if (queue == nullptr) return;
  const state::partition_row* partition = tables_.partitions.find({queue->topic, range.partition});
  if (partition == nullptr) return;
  const queue_partition_key of{range.queue, range.partition};
  const offset floor = this->floor(of);
  const offset first = std::max(range.first, floor);
  const offset end = std::min(range.end, partition->end);
  if (first >= end) return;
  queue_partition_row& row = tables_.queue_partitions.edit_or_add(of);
  if (row.ranges_above > 0) carve(of, row, first, end);
  if (first == floor) {
    raise_floor(of, row, end);
  } else {
    settle_above(of, row, first, end);
  }
}

// The range [first, end) has been carved out. It grows together with settled neighbours.
void queue_state::settle_above(const queue_partition_key& of, queue_partition_row& row, offset first,
                               offset end) {
  if (row.ranges_above > 0) {
    if (const auto before = range_at_or_before(of, first);
        before && before->second.settled && before->second.end == first) {
      drop_range(of, row, before->first, before->second);
      first = before->first;
    }
    if (const auto after = tables_.queue_records.get({of, end}); after && after->settled) {
      drop_range(of, row, end, *after);
      end = after->end;
    }
  }
  put_range(of, row, first, {.end = end, .settled = true, .attempts = 0, .parked_until = {}, .reason = {}});
}

void queue_state::retry(const retried_range& c) {
  const queue_partition_key of{c.of.queue, c.of.partition};
  if (check(c.of)) return;
  queue_partition_row& row = tables_.queue_partitions.edit_or_add(of);
  if (row.ranges_above > 0) carve(of, row, c.of.first, c.of.end);
  put_range(of, row, c.of.first,
            {.end = c.of.end,
             .settled = false,
             .attempts = c.attempts,
             .parked_until = c.parked_until,
             .reason = c.reason});
}

failure queue_state::unpark(const unpark_queue_command& c) {
  const queue_row* queue = tables_.queues.find(c.queue);
  if (queue == nullptr) return no_queue(c.queue);
  std::vector<std::pair<queue_record_key, queue_record_row>> parked;
  for_each_range(c.queue, [&](const queue_record_key& key, const queue_record_row& range) {
    if (!range.settled && range.parked_until > c.now) parked.emplace_back(key, range);
  });
  for (auto& [key, range] : parked) {
    range.parked_until = c.now;
    tables_.queue_records.put(key, std::move(range));
  }
  return {};
}

failure queue_state::purge(queue_id queue) {
  const queue_row* row = tables_.queues.find(queue);
  if (row == nullptr) return no_queue(queue);
  const topic_id topic = row->topic;
  const std::uint32_t partitions = tables_.topics.find(topic)->settings.partitions;
  for (std::uint32_t p = 0; p < partitions; ++p)
    settle({queue, partition_id(p), offset(), tables_.partitions.find({topic, partition_id(p)})->end});
  return {};
}

// ---- ranges ----

void queue_state::put_range(const queue_partition_key& of, queue_partition_row& row, offset first,
                            queue_record_row range) {
  ++row.ranges_above;
  if (range.settled) row.settled_above += range.end - first;
  tables_.queue_records.put({of, first}, std::move(range));
}

void queue_state::drop_range(const queue_partition_key& of, queue_partition_row& row, offset first,
                             const queue_record_row& range) {
  --row.ranges_above;
  if (range.settled) row.settled_above -= range.end - first;
  tables_.queue_records.erase({of, first});
}

// Forgets what is known of [first, end); ranges that reach beyond it are cut.
void queue_state::carve(const queue_partition_key& of, queue_partition_row& row, offset first, offset end) {
  std::vector<known_range> touched;
  if (auto before = range_at_or_before(of, first); before && before->second.end > first)
    touched.push_back(std::move(*before));
  tables_.queue_records.scan({of, first + 1},
                             [&](const queue_record_key& key, const queue_record_row& range) {
                               if (key.of != of || key.first >= end) return false;
                               touched.emplace_back(key.first, range);
                               return true;
                             });
  for (auto& [from, range] : touched) {
    drop_range(of, row, from, range);
    if (range.end > end) put_range(of, row, end, range);
    if (from < first) {
      range.end = first;
      put_range(of, row, from, std::move(range));
    }
  }
}

void queue_state::raise_floor(const queue_partition_key& of, queue_partition_row& row, offset to) {
  row.floor = to;
  while (row.ranges_above > 0) {
    const auto next = tables_.queue_records.get({of, row.floor});
    if (!next || !next->settled) return;
    drop_range(of, row, row.floor, *next);
    row.floor = next->end;
  }
}

// ---- topics ----

template <class Visit>
void queue_state::for_each_queue_of(topic_id topic, Visit&& visit) const {
  std::vector<queue_id> found;
  for (auto at = by_name_.lower_bound({topic, {}}); at != by_name_.end() && at->first.first == topic; ++at)
    found.push_back(at->second);
  for (const queue_id queue : found) visit(queue);
}

offset queue_state::unsettled_from(const state::partition_key& of) const {
  offset first{std::numeric_limits<std::uint64_t>::max()};
  for (auto at = by_name_.lower_bound({of.topic, {}}); at != by_name_.end() && at->first.first == of.topic;
       ++at)
    first = std::min(first, floor({at->second, of.partition}));
  return first;
}

void queue_state::topic_deleted(topic_id topic) {
  for_each_queue_of(topic, [&](queue_id queue) { remove(queue); });
}

void queue_state::trimmed(const state::partition_key& of, offset log_start) {
  for_each_queue_of(of.topic, [&](queue_id queue) {
    const queue_partition_key key{queue, of.partition};
    queue_partition_row* row = tables_.queue_partitions.edit(key);
    if (row == nullptr || row->floor >= log_start) return;
    if (row->ranges_above > 0) carve(key, *row, row->floor, log_start);
    raise_floor(key, *row, log_start);
  });
}

}  // namespace skald::shard
