// What `skald doctor` asks the broker.
#include <algorithm>
#include <set>
#include <utility>

#include "tools/cli/doctor.hpp"
#include "tools/cli/queue_output.hpp"
#include "tools/cli/saga_source.hpp"

namespace skald::cli {

namespace {

// Whether it says that what was listed a moment ago is gone.
bool is_gone(const error& why) {
  return why.code() == errc::unknown_topic || why.code() == errc::unknown_queue ||
         why.code() == errc::unknown_group || why.code() == errc::unknown_key;
}

template <class Ask>
void unless_gone(Ask ask) {
  try {
    ask();
  } catch (const error& why) {
    if (!is_gone(why)) throw;
  }
}

void note_earliest(std::optional<timestamp>& into, timestamp at) {
  if (!into || at < *into) into = at;
}

void look_at_waiting(blocking_client& broker, seen_queue& queue) {
  const queue_info detail = broker.describe_queue(queue.is.topic, queue.is.queue);
  for (const queue_partition& in : detail.partitions) {
    if (in.floor >= in.end) continue;
    const peeked_records first =
        broker.peek_queue(detail.topic, detail.queue, in.partition, {.from = in.floor, .limit = 1});
    for (const peeked_record& one : first.records) {
      if (!queue.oldest_waiting || one.record.time() < *queue.oldest_waiting) queue.reason = one.reason;
      note_earliest(queue.oldest_waiting, one.record.time());
    }
  }
}

// Letters lie in the order in which they died.
void look_at_dead(blocking_client& broker, seen_queue& queue) {
  for_each_dead(broker, {queue.is.topic, queue.is.queue}, [&](const peeked_record& one) {
    queue.oldest_dead = one.record.time();
    queue.dead_reason = header_of(one.record, "skald-dead-reason");
    return false;
  });
}

std::vector<seen_queue> see_queues(blocking_client& broker) {
  std::vector<queue_info> all = broker.list_queues();
  std::set<std::string> letters;
  for (const queue_info& one : all) letters.insert(one.dead_letter);
  std::vector<seen_queue> seen;
  for (queue_info& one : all) {
    if (one.queue == dead_queue && letters.contains(one.topic)) continue;
    seen_queue queue{std::move(one)};
    unless_gone([&] {
      if (queue.is.ready + queue.is.leased + queue.is.parked > 0) look_at_waiting(broker, queue);
      if (queue.is.dead > 0) look_at_dead(broker, queue);
      seen.push_back(std::move(queue));
    });
  }
  return seen;
}

std::vector<seen_group> see_groups(blocking_client& broker) {
  std::vector<seen_group> seen;
  for (group_summary& one : broker.list_groups()) {
    seen_group group{std::move(one)};
    if (group.is.lag == 0) {
      seen.push_back(std::move(group));
      continue;
    }
    unless_gone([&] {
      const group_info detail = broker.describe_group(group.is.name);
      for (const group_partition& in : detail.partitions) {
        if (in.lag() == 0) continue;
        const offset next = in.position && *in.position > in.log_start ? *in.position : in.log_start;
        for (const record& first : broker.fetch(in.topic, in.partition, next, {.bytes_max = 1})) {
          if (first.offset() < next) continue;
          note_earliest(group.oldest_behind, first.time());
          break;
        }
      }
      seen.push_back(std::move(group));
    });
  }
  return seen;
}

std::vector<seen_instance> see_instances(blocking_client& broker) {
  std::vector<seen_instance> seen;
  unless_gone([&] {
    for (const key_info& key : broker.list_keys(health::topic))
      unless_gone([&] {
        for (const record& one : broker.read_key(health::topic, key.key, {.latest = true}).records)
          if (one.value()) seen.push_back({health::decode(key.key, *one.value()), one.time()});
      });
  });
  return seen;
}

}  // namespace

observations observe(blocking_client& broker) {
  observations seen;
  for (const std::string& one : list_orchestrators(broker))
    unless_gone([&] {
      for_each_saga(broker, one, [&](found_saga saga) {
        if (!sagas::is_final(saga.state.phase)) seen.sagas.push_back(std::move(saga));
      });
    });
  seen.queues = see_queues(broker);
  seen.groups = see_groups(broker);
  seen.services = broker.list_services();
  seen.timers = broker.list_timers();
  seen.instances = see_instances(broker);
  // Last, so that nothing that was seen is younger than now.
  seen.broker = broker.status();
  seen.now = seen.broker.now;
  return seen;
}

}  // namespace skald::cli
