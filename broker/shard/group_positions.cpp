#include "broker/shard/group_positions.hpp"

#include <limits>
#include <utility>

namespace skald::shard {

using state::group_position_key;
using state::group_position_row;

failure check_positions(const state::tables& in, const group_positions& of) {
  for (const group_position& one : of.positions) {
    const std::string partition = std::to_string(one.of.partition.value());
    const state::topic_row* const topic = in.topics.find(one.of.topic);
    if (topic == nullptr) {
      return {errc::unknown_topic, "the topic with the id " + std::to_string(one.of.topic.value()) +
                                       " has been deleted, and with it where group '" + of.group +
                                       "' was in it"};
    }
    const state::partition_row* const row = in.partitions.find(one.of);
    if (row == nullptr) {
      return {errc::unknown_partition, "topic '" + topic->name + "' has " +
                                           std::to_string(topic->settings.partitions) +
                                           " partitions; there is no partition " + partition};
    }
    if (one.next > row->end) {
      return {errc::offset_out_of_range, "group '" + of.group + "' cannot go on at offset " +
                                             std::to_string(one.next.value()) + " of partition " + partition +
                                             " of topic '" + topic->name + "', which ends at " +
                                             std::to_string(row->end.value())};
    }
  }
  return {};
}

failure check_inputs(const state::tables& in, const group_positions& of) {
  if (failure why = check_positions(in, of)) return why;
  for (const group_position& one : of.positions) {
    const auto row = in.group_positions.get({of.group, one.of});
    if (!row || one.next >= row->next) continue;
    return {errc::offset_out_of_range,
            "group '" + of.group + "' is at offset " + std::to_string(row->next.value()) + " of partition " +
                std::to_string(one.of.partition.value()) + " of topic '" +
                in.topics.find(one.of.topic)->name + "' already; what is before offset " +
                std::to_string(one.next.value()) + " has been acknowledged"};
  }
  return {};
}

void apply_positions(state::tables& to, const group_positions& of, timestamp now) {
  for (const group_position& one : of.positions) to.group_positions.put({of.group, one.of}, {one.next, now});
}

bool forget_group(state::tables& in, const std::string& group) {
  std::vector<group_position_key> rows;
  bool any = false;
  in.group_positions.scan({group, {}}, [&](const group_position_key& key, const group_position_row&) {
    if (key.group != group) return false;
    rows.push_back(key);
    any |= in.topics.find(key.of.topic) != nullptr;
    return true;
  });
  for (const group_position_key& key : rows) in.group_positions.erase(key);
  return any;
}

std::size_t position_sweep::step(state::tables& in, topic_id topic, std::size_t rows_max) {
  if (topic != std::exchange(topic_, topic) || !from_) from_ = group_position_key{};
  std::vector<group_position_key> rows;
  std::size_t seen = 0;
  std::optional<group_position_key> next;
  in.group_positions.scan(*from_, [&](const group_position_key& key, const group_position_row&) {
    if (seen == rows_max) {
      next = key;
      return false;
    }
    ++seen;
    if (key.of.topic == topic) rows.push_back(key);
    return true;
  });
  for (const group_position_key& key : rows) in.group_positions.erase(key);
  from_ = std::move(next);
  return seen;
}

}  // namespace skald::shard
