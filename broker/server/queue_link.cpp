#include <tuple>
#include <utility>

#include "broker/server/queue_service.hpp"

namespace skald::server {

// A completion for the service to call on its reactor, which calls `done` on ours.
template <class... Results>
std::function<void(Results...)> queue_link::back(std::function<void(Results...)> done) {
  return [&here = here_, done = std::move(done)](Results... results) {
    here.post([done, results = std::make_tuple(std::move(results)...)]() mutable {
      std::apply([&](auto&... each) { done(std::move(each)...); }, results);
    });
  };
}

void queue_link::create_queue(queue_name name, queue_changes settings, bool if_absent, bool latest,
                              finished tell) {
  to_.runs_on().post([&to = to_, name = std::move(name), settings = std::move(settings), if_absent, latest,
                      tell = back(std::move(tell))] { to.create(name, settings, if_absent, latest, tell); });
}

void queue_link::alter_queue(queue_name name, queue_changes settings, finished tell) {
  to_.runs_on().post([&to = to_, name = std::move(name), settings = std::move(settings),
                      tell = back(std::move(tell))] { to.alter(name, settings, tell); });
}

void queue_link::delete_queue(queue_name name, finished tell) {
  to_.runs_on().post(
      [&to = to_, name = std::move(name), tell = back(std::move(tell))] { to.remove(name, tell); });
}

void queue_link::describe_queue(queue_name name, std::function<void(shard::failure, queue_info)> tell) {
  to_.runs_on().post(
      [&to = to_, name = std::move(name), tell = back(std::move(tell))] { to.describe(name, tell); });
}

void queue_link::list_queues(std::string topic, queue_name after, std::size_t limit,
                             std::function<void(std::vector<queue_info>, bool)> tell) {
  to_.runs_on().post([&to = to_, topic = std::move(topic), after = std::move(after), limit,
                      tell = back(std::move(tell))] { to.list(topic, after, limit, tell); });
}

void queue_link::peek_queue(queue_name name, partition_id partition, offset from, std::size_t limit,
                            std::function<void(queue_peek)> tell) {
  to_.runs_on().post([&to = to_, name = std::move(name), partition, from, limit,
                      tell = back(std::move(tell))] { to.peek(name, partition, from, limit, tell); });
}

void queue_link::retry_queue(queue_name name, records_told tell) {
  to_.runs_on().post(
      [&to = to_, name = std::move(name), tell = back(std::move(tell))] { to.retry(name, tell); });
}

void queue_link::purge_queue(queue_name name, bool dry_run, records_told tell) {
  to_.runs_on().post([&to = to_, name = std::move(name), dry_run, tell = back(std::move(tell))] {
    to.purge(name, dry_run, tell);
  });
}

void queue_link::settle_dead(queue_name name, partition_id partition, std::vector<offset> records, bool drop,
                             records_told tell) {
  to_.runs_on().post(
      [&to = to_, name = std::move(name), partition, records = std::move(records), drop,
       tell = back(std::move(tell))] { to.settle_dead(name, partition, records, drop, tell); });
}

void queue_link::open_queue(queue_opening what, queue_told told, std::function<void(queue_opened)> tell) {
  to_.runs_on().post([&to = to_, what = std::move(what), told = back(std::move(told)),
                      tell = back(std::move(tell))] { to.open_queue(what, told, tell); });
}

void queue_link::close_queue(consumer_id consumer, bool counted) {
  to_.runs_on().post([&to = to_, consumer, counted] { to.close_queue(consumer, counted); });
}

void queue_link::settle(consumer_id consumer, std::vector<queue_settlement> what,
                        std::function<void(std::vector<settle_failure>)> tell) {
  to_.runs_on().post([&to = to_, consumer, what = std::move(what), tell = back(std::move(tell))]() mutable {
    to.settle(consumer, std::move(what), std::move(tell));
  });
}

void queue_link::delivered(consumer_id consumer, std::size_t bytes) {
  to_.runs_on().post([&to = to_, consumer, bytes] { to.delivered(consumer, bytes); });
}

}  // namespace skald::server
