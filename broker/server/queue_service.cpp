// Consumers, and what changes queues; what only looks is in queue_views.cpp.
#include "broker/server/queue_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/record_mover.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::server {

using handlers::shown;

queue_service::queue_service(executor& runs_on, std::function<moment()> now, timestamp started,
                             std::function<void(const std::string&)> warn)
    : host_{.runs_on = runs_on, .now = std::move(now), .started = started, .warn = std::move(warn)} {}

void queue_service::open(shard::shard& served, plan_reader& reader) {
  host_.shard = &served;
  host_.reader = &reader;
}

void queue_service::shut_down() {
  for (const auto& [id, queue] : active_) queue->abandon();
  by_consumer_.clear();
  active_.clear();
}

void queue_service::topic_grew(topic_id topic, std::uint32_t partitions) {
  for (const auto& [id, queue] : active_)
    if (queue->topic() == topic) queue->topic_grew(partitions);
}

queue_service::found_queue queue_service::find(const queue_name& name) const {
  const auto topic = host_.shard->find_topic(name.topic);
  if (!topic)
    return {
        {errc::unknown_topic, fmt::format("there is no topic {}", shown(name.topic))}, queue_id(), nullptr};
  const auto id = host_.shard->queues().find(topic->id, name.queue);
  if (!id)
    return {{errc::unknown_queue,
             fmt::format("topic {} has no queue {}; create it first", shown(name.topic), shown(name.queue))},
            queue_id(),
            nullptr};
  return {{}, *id, host_.shard->queues().row(*id)};
}

std::shared_ptr<active_queue> queue_service::active(queue_id id) const {
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : found->second;
}

// ---- making and changing ---------------------------------------------------------------------------------

shard::failure queue_service::settings_of(const queue_name& name, const queue_changes& changes,
                                          shard::queue_settings& into) const {
  into.lease_ms = changes.lease_ms.value_or(into.lease_ms);
  into.max_attempts = changes.max_attempts.value_or(into.max_attempts);
  into.backoff_min_ms = changes.backoff_min_ms.value_or(into.backoff_min_ms);
  // A longest backoff that nobody chose follows a shortest one that somebody did.
  into.backoff_max_ms = changes.backoff_max_ms.value_or(std::max(into.backoff_max_ms, into.backoff_min_ms));
  into.ordered_by_key = changes.ordered_by_key.value_or(into.ordered_by_key);
  into.dead_letter = changes.dead_letter.value_or(into.dead_letter);
  const std::string dead =
      dead_topic_of(name.topic, {.name = name.queue, .topic = {}, .created = {}, .settings = into});
  const result<> checked = protocol::check_topic_name(dead);
  if (!checked)
    return {errc::invalid_settings,
            fmt::format("its dead letters would go to topic {}: {}", shown(dead), checked.error().message)};
  if (dead == name.topic)
    return {errc::invalid_settings, "the dead letters of a queue cannot go to the topic it reads"};
  return {};
}

void queue_service::create(const queue_name& name, const queue_changes& changes, bool if_absent, bool latest,
                           queue_port::finished tell) {
  if (const result<> checked = protocol::check_topic_name(name.queue); !checked)
    return tell({errc::invalid_request, fmt::format("the name of queue {} has to be like that of a topic: {}",
                                                    shown(name.queue), checked.error().message)});
  shard::queue_settings settings;
  if (const shard::failure why = settings_of(name, changes, settings)) return tell(why);
  host_.shard->create_queue(name.topic, name.queue, std::move(settings), if_absent, latest,
                            [tell = std::move(tell)](const shard::failure& why, queue_id) { tell(why); });
}

void queue_service::alter(const queue_name& name, const queue_changes& changes, queue_port::finished tell) {
  const found_queue found = find(name);
  if (found.why) return tell(found.why);
  shard::queue_settings settings = found.row->settings;
  if (const shard::failure why = settings_of(name, changes, settings)) return tell(why);
  if (settings.ordered_by_key != found.row->settings.ordered_by_key && active(found.id))
    return tell(
        {errc::invalid_settings,
         fmt::format("queue {} has consumers; whether it is ordered by key can change only while it has none",
                     shown(name.queue))});
  host_.shard->alter_queue(found.id, std::move(settings),
                           [this, id = found.id, tell = std::move(tell)](const shard::failure& why) {
                             const auto queue = active(id);
                             if (!why && queue) queue->settings_changed();
                             tell(why);
                           });
}

void queue_service::remove(const queue_name& name, queue_port::finished tell) {
  const found_queue found = find(name);
  if (found.why) return tell(found.why);
  host_.shard->delete_queue(
      found.id, [this, name, id = found.id, tell = std::move(tell)](const shard::failure& why) {
        const auto queue = active(id);
        if (!why && queue)
          queue->end({errc::unknown_queue, fmt::format("queue {} was deleted", shown(name.queue))});
        tell(why);
      });
}

void queue_service::retry(const queue_name& name, queue_port::records_told tell) {
  const found_queue found = find(name);
  if (found.why) return tell(found.why, 0);
  queue_info parked;
  count_parked(found.id, parked);
  // A little later than now: whatever is leased by then was due before.
  const moment due = host_.now() + moment(1);
  const auto queue = active(found.id);
  if (queue) queue->begin_unpark();
  host_.shard->unpark_queue(
      found.id, host_.wall(due),
      [queue, due, count = parked.parked, tell = std::move(tell)](const shard::failure& why) {
        if (queue && !queue->ended()) queue->end_unpark(due);
        tell(why, why ? 0 : count);
      });
}

void queue_service::purge(const queue_name& name, bool dry_run, queue_port::records_told tell) {
  const found_queue found = find(name);
  if (found.why) return tell(found.why, 0);
  const std::uint64_t records = unsettled(found.id, *found.row, nullptr);
  if (dry_run) return tell({}, records);
  host_.shard->purge_queue(found.id,
                           [this, id = found.id, records, tell = std::move(tell)](const shard::failure& why) {
                             const auto queue = active(id);
                             if (!why && queue) queue->purged();
                             tell(why, why ? 0 : records);
                           });
}

// ---- dead letters ----------------------------------------------------------------------------------------

namespace {

// Strips what dying has added, and finds where the record came from.
record_mover::target resurrect(std::vector<protocol::header_view>& headers) {
  record_mover::target to;
  for (const protocol::header_view& one : headers) {
    if (one.key == dead_header::topic) to.topic = one.value.value_or("");
    if (one.key == dead_header::partition)
      to.partition = partition_id(
          static_cast<std::uint32_t>(std::strtoul(std::string(one.value.value_or("")).c_str(), nullptr, 10)));
  }
  std::erase_if(headers,
                [](const protocol::header_view& one) { return one.key.starts_with(dead_header::prefix); });
  return to;
}

}  // namespace

void queue_service::settle_dead(const queue_name& name, partition_id partition, std::vector<offset> records,
                                bool drop, queue_port::records_told tell) {
  const found_queue of = find(name);
  if (of.why) return tell(of.why, 0);
  const std::string topic = dead_topic_of(name.topic, *of.row);
  const found_queue dead = find({topic, std::string(dead_queue_name)});
  if (dead.why)
    return tell({errc::unknown_queue, fmt::format("queue {} has no dead letters", shown(name.queue))}, 0);
  if (active(dead.id))
    return tell(
        {errc::invalid_request,
         fmt::format("queue '{}' of topic {} has consumers; close them to deal with dead letters by hand",
                     dead_queue_name, shown(topic))},
        0);
  std::sort(records.begin(), records.end());
  records.erase(std::unique(records.begin(), records.end()), records.end());
  std::vector<record_mover::range> ranges;
  std::vector<shard::queue_range> settled;
  for (const offset at : records) {
    if (host_.shard->queues().check({dead.id, partition, at, at + 1})) continue;  // dealt with already
    ranges.emplace_back(at, at + 1);
    settled.push_back({dead.id, partition, at, at + 1});
  }
  const std::uint64_t count = ranges.size();
  if (count == 0) return tell({}, 0);
  if (drop)
    return host_.shard->settle(
        {std::move(settled), {}},
        [count, tell = std::move(tell)](const shard::failure& why) { tell(why, why ? 0 : count); });
  const auto mover = std::make_shared<record_mover>(
      host_, partition_ref{dead.row->topic, partition}, dead.id, std::move(ranges),
      [](const protocol::record_view&, std::vector<protocol::header_view>& headers) {
        return resurrect(headers);
      });
  const auto moved = std::make_shared<std::uint64_t>(0);
  mover->run([moved](offset first, offset end) { *moved += end - first; },
             [moved, tell = std::move(tell)](const shard::failure& why) { tell(why, *moved); });
}

// ---- consumers -------------------------------------------------------------------------------------------

void queue_service::open_queue(queue_opening what, queue_told told, std::function<void(queue_opened)> tell) {
  const found_queue found = find(what.name);
  if (!found.why) return attach(found.id, what, std::move(told), tell);
  if (found.why.code != errc::unknown_queue || !what.create) return tell({found.why, consumer_id(), {}});
  const queue_name name = what.name;
  const queue_changes settings = what.settings;
  create(name, settings, true, false,
         [this, what = std::move(what), told = std::move(told),
          tell = std::move(tell)](const shard::failure& why) mutable {
           if (why) return tell({why, consumer_id(), {}});
           const found_queue made = find(what.name);
           if (made.why) return tell({made.why, consumer_id(), {}});
           attach(made.id, what, std::move(told), tell);
         });
}

void queue_service::attach(queue_id id, const queue_opening& what, queue_told told,
                           const std::function<void(queue_opened)>& tell) {
  std::shared_ptr<active_queue>& queue = active_[id];
  if (!queue || queue->ended())
    queue = std::make_shared<active_queue>(host_, id, [this](queue_id which) {
      const auto found = active_.find(which);
      if (found != active_.end() && (found->second->idle() || found->second->ended())) active_.erase(found);
    });
  const consumer_id consumer(++last_consumer_);
  by_consumer_.emplace(consumer, queue);
  tell({{}, consumer, host_.shard->queues().row(id)->settings});
  queue->open(consumer, what,
              [this, consumer, told = std::move(told)](const shard::failure& ended, queue_delivery sent) {
                if (ended) by_consumer_.erase(consumer);
                told(ended, std::move(sent));
              });
}

void queue_service::close_queue(consumer_id consumer, bool counted) {
  const auto found = by_consumer_.find(consumer);
  if (found == by_consumer_.end()) return;
  const auto queue = std::move(found->second);
  by_consumer_.erase(found);
  queue->close(consumer, counted);
}

void queue_service::settle(consumer_id consumer, std::vector<queue_settlement> what,
                           std::function<void(std::vector<settle_failure>)> tell) {
  const auto found = by_consumer_.find(consumer);
  if (found != by_consumer_.end()) return found->second->settle(consumer, std::move(what), std::move(tell));
  std::vector<settle_failure> failures;
  failures.reserve(what.size());
  for (std::size_t i = 0; i < what.size(); ++i)
    failures.push_back({i, {errc::unknown_lease, "the queue has ended, and its leases with it"}});
  tell(std::move(failures));
}

std::optional<queue_service::held_lease> queue_service::set_aside(consumer_id consumer,
                                                                  const delivery::lease_ref& what) {
  const auto found = by_consumer_.find(consumer);
  if (found == by_consumer_.end()) return std::nullopt;
  const auto taken = found->second->set_aside(consumer, what);
  return taken ? std::optional(held_lease{found->second, *taken}) : std::nullopt;
}

void queue_service::committed(const held_lease& held, bool took_effect) {
  held.of->committed(held.what, took_effect);
}

void queue_service::delivered(consumer_id consumer, std::size_t bytes) {
  const auto found = by_consumer_.find(consumer);
  if (found != by_consumer_.end()) found->second->delivered(consumer, bytes);
}

}  // namespace skald::server
