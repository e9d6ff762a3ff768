#include "broker/shard/queue_inspection.hpp"

#include <map>
#include <utility>

namespace skald::shard {

namespace {

using state::queue_partition_key;
using state::queue_partition_row;
using state::queue_record_key;
using state::queue_record_row;
using wrong_told = std::function<void(std::string where, std::string what)>;

std::string name_of(const queue_partition_key& key) {
  return "queue id " + std::to_string(key.queue.value()) + ", partition " +
         std::to_string(key.partition.value());
}

// The ranges of one partition, one after the other.
struct partition_check {
  std::uint64_t ranges = 0;
  std::uint64_t settled = 0;
  offset end;
};

void check_range(const state::tables& of, const queue_record_key& key, const queue_record_row& range,
                 partition_check& seen, const wrong_told& wrong) {
  const std::string where = name_of(key.of) + ", offset " + std::to_string(key.first.value());
  if (range.end <= key.first) return wrong(where, "the range is empty");
  if (seen.ranges > 0 && key.first < seen.end) wrong(where, "the range overlaps the one before it");
  seen.end = range.end;
  ++seen.ranges;
  if (range.settled) seen.settled += range.end - key.first;
  const queue_partition_row* row = of.queue_partitions.find(key.of);
  if (row == nullptr) return wrong(where, "the range belongs to no partition of a queue");
  if (key.first < row->floor) wrong(where, "the range is below the floor");
  if (range.settled && key.first == row->floor)
    wrong(where, "what is settled at the floor should be below it");
  if (const state::queue_row* queue = of.queues.find(key.of.queue)) {
    const state::partition_row* partition = of.partitions.find({queue->topic, key.of.partition});
    if (partition != nullptr && range.end > partition->end)
      wrong(where, "the range reaches beyond the partition's end");
  }
}

dump_fields fields_of(const queue_partition_key& key) {
  return {{"queue_id", std::uint64_t{key.queue.value()}},
          {"partition", std::uint64_t{key.partition.value()}}};
}

}  // namespace

std::uint64_t check_queues(const state::tables& of, const wrong_told& wrong) {
  for (const auto& [id, queue] : of.queues) {
    const std::string where = "queue '" + queue.name + "' (id " + std::to_string(id.value()) + ")";
    if (id.value() >= of.meta.next_topic.value()) wrong(where, "its id is not below the next to be given");
    if (of.topics.find(queue.topic) == nullptr) wrong(where, "its topic does not exist");
  }
  std::map<queue_partition_key, partition_check> seen;
  of.queue_records.scan({}, [&](const queue_record_key& key, const queue_record_row& range) {
    check_range(of, key, range, seen[key.of], wrong);
    return true;
  });
  for (const auto& [key, row] : of.queue_partitions) {
    const std::string where = name_of(key);
    const state::queue_row* queue = of.queues.find(key.queue);
    if (queue == nullptr) {
      wrong(where, "there is no such queue");
      continue;
    }
    const state::partition_row* partition = of.partitions.find({queue->topic, key.partition});
    if (partition == nullptr) {
      wrong(where, "its topic has no such partition");
    } else if (row.floor > partition->end) {
      wrong(where, "its floor " + std::to_string(row.floor.value()) + " is beyond the partition's end " +
                       std::to_string(partition->end.value()));
    }
    const partition_check& is = seen[key];
    if (is.ranges != row.ranges_above)
      wrong(where, "it is said to know " + std::to_string(row.ranges_above) + " ranges, and knows " +
                       std::to_string(is.ranges));
    if (is.settled != row.settled_above)
      wrong(where, "it is said to have " + std::to_string(row.settled_above) +
                       " records settled above its floor, and has " + std::to_string(is.settled));
  }
  return of.queues.size();
}

void dump_queues(const state::tables& of, std::string_view section,
                 const std::function<void(const dump_row&)>& out) {
  if (section == "queues") {
    for (const auto& [id, row] : of.queues)
      out({section,
           {{"queue_id", std::uint64_t{id.value()}},
            {"name", row.name},
            {"topic_id", std::uint64_t{row.topic.value()}},
            {"created_ms", ms(row.created)},
            {"lease_ms", std::uint64_t{row.settings.lease_ms}},
            {"max_attempts", std::uint64_t{row.settings.max_attempts}},
            {"backoff_min_ms", std::uint64_t{row.settings.backoff_min_ms}},
            {"backoff_max_ms", std::uint64_t{row.settings.backoff_max_ms}},
            {"ordered_by_key", row.settings.ordered_by_key},
            {"dead_letter", row.settings.dead_letter}}});
  } else if (section == "queue_partitions") {
    for (const auto& [key, row] : of.queue_partitions) {
      dump_fields f = fields_of(key);
      f.emplace_back("floor", row.floor.value());
      f.emplace_back("settled_above", row.settled_above);
      f.emplace_back("ranges_above", row.ranges_above);
      out({section, std::move(f)});
    }
  } else {
    of.queue_records.scan({}, [&](const queue_record_key& key, const queue_record_row& row) {
      dump_fields f = fields_of(key.of);
      f.emplace_back("first", key.first.value());
      f.emplace_back("end", row.end.value());
      f.emplace_back("settled", row.settled);
      f.emplace_back("attempts", std::uint64_t{row.attempts});
      f.emplace_back("parked_until_ms", ms(row.parked_until));
      f.emplace_back("reason", row.reason);
      out({section, std::move(f)});
      return true;
    });
  }
}

void describe(dump_fields& to, const create_queue_command& c) {
  to.emplace_back("command", "create_queue");
  to.emplace_back("topic_id", std::uint64_t{c.topic.value()});
  to.emplace_back("name", c.name);
  to.emplace_back("now_ms", ms(c.now));
}
void describe(dump_fields& to, const alter_queue_command& c) {
  to.emplace_back("command", "alter_queue");
  to.emplace_back("queue_id", std::uint64_t{c.queue.value()});
}
void describe(dump_fields& to, const delete_queue_command& c) {
  to.emplace_back("command", "delete_queue");
  to.emplace_back("queue_id", std::uint64_t{c.queue.value()});
}
void describe(dump_fields& to, const settle_command& c) {
  to.emplace_back("command", "settle");
  describe_settled(to, c.settled);
  std::uint64_t retried = 0;
  for (const retried_range& one : c.retried) retried += one.of.end - one.of.first;
  to.emplace_back("records_retried", retried);
}
void describe(dump_fields& to, const unpark_queue_command& c) {
  to.emplace_back("command", "unpark_queue");
  to.emplace_back("queue_id", std::uint64_t{c.queue.value()});
  to.emplace_back("now_ms", ms(c.now));
}
void describe(dump_fields& to, const purge_queue_command& c) {
  to.emplace_back("command", "purge_queue");
  to.emplace_back("queue_id", std::uint64_t{c.queue.value()});
}
void describe_settled(dump_fields& to, const std::vector<queue_range>& settled) {
  std::uint64_t records = 0;
  for (const queue_range& range : settled) records += range.end - range.first;
  to.emplace_back("records_settled", records);
}

}  // namespace skald::shard
