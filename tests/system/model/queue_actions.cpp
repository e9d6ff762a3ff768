// The work queue: what is settled never comes again, what is not comes in the end.
#include <algorithm>
#include <span>

#include <doctest/doctest.h>

#include "tests/system/model/world.hpp"

namespace skald::tests {

void world::give_work() {
  const std::string value = new_value();
  const published done = client_.publish("work", {.value = value});
  REQUIRE(done.offset);
  appended("work", {.partition = done.partition, .offset = *done.offset}, {{}, value});
}

std::set<std::string>* world::settle(const delivery& what) {
  switch (below(8)) {
    case 0:
      queue_->nack(what, milliseconds(below(5)), "not today");
      return &model_.open;
    case 1:
      queue_->release(what);
      return &model_.open;
    case 2:
      queue_->reject(what, "never");
      return &model_.rejected;
    case 3:
      return &model_.open;
    default:
      queue_->ack(what);
      return &model_.acknowledged;
  }
}

void world::take_work() {
  if (!queue_)
    queue_ = client_.open_queue("work", "workers", {.prefetch = static_cast<std::uint32_t>(1 + below(20))});
  const auto some = queue_->receive_for(milliseconds(below(20)));
  if (some) {
    std::vector<std::pair<std::string, std::set<std::string>*>> settled;
    for (const delivery& each : *some) {
      const std::string value(each.value().value());
      CAPTURE(value);
      CHECK(each.attempt() >= 1);
      // That it comes shows that it is not settled.
      REQUIRE(model_.open.size() + model_.uncertain.size() > 0);
      REQUIRE((model_.uncertain.erase(value) + model_.open.erase(value)) == 1);
      settled.emplace_back(value, settle(each));
    }
    try {
      queue_->flush();
    } catch (const error&) {
      // Leases were lost with their connection, or answers: nobody knows which are settled.
      for (auto& [value, to] : settled) to = &model_.uncertain;
    }
    for (const auto& [value, to] : settled) to->insert(value);
  }
  if (one_in(4)) queue_.reset();  // what it holds is given back
}

// Inputs and an output that follows from them: all of it or nothing, and it is known which.
void world::work_off() {
  if (!queue_) queue_ = client_.open_queue("work", "workers", {.prefetch = 8});
  const auto some = queue_->receive_for(milliseconds(below(20)));
  if (!some) return;
  for (std::size_t first = 0; first < some->size();) {
    const std::size_t count = std::min<std::size_t>(1 + below(3), some->size() - first);
    const std::span<const delivery> inputs(some->data() + first, count);
    first += count;
    const std::string output = new_value();
    commit effect;
    effect.acknowledge(inputs);
    effect.append("log", {.value = output, .partition = partition_id(0)});
    std::set<std::string>* belong_to = &model_.acknowledged;
    try {
      const committed made = client_.commit(std::move(effect));
      appended("log", made.appends.at(0), {{}, output});
    } catch (const commit_refused& why) {
      // The leases were lost with their connection before the commit arrived.
      CHECK(why.code() == errc::unknown_lease);
      CHECK(why.what_part() == commit_refused::part::delivery);
      CHECK(why.index() == 0);
      belong_to = &model_.open;
    }
    for (const delivery& each : inputs) {
      const std::string value(each.value().value());
      REQUIRE_MESSAGE((model_.uncertain.erase(value) + model_.open.erase(value)) == 1, value);
      belong_to->insert(value);
    }
  }
}

void world::look_at_queue() {
  const queue_info queue = client_.describe_queue("work", "workers");
  std::uint64_t settled = 0;
  for (const queue_partition& each : queue.partitions) settled += each.floor.value() + each.settled_above;
  const std::uint64_t certainly = model_.acknowledged.size() + model_.rejected.size();
  CHECK(settled >= certainly);
  CHECK(settled <= certainly + model_.uncertain.size());
  CHECK(queue.dead >= model_.rejected.size());
  CHECK(queue.dead <= model_.rejected.size() + model_.uncertain.size());
}

void world::finish_queue() {
  queue_ = client_.open_queue("work", "workers");
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (const auto some = queue_->receive_for(milliseconds(20))) {
      for (const delivery& each : *some) {
        const std::string value(each.value().value());
        REQUIRE_MESSAGE((model_.uncertain.erase(value) + model_.open.erase(value)) == 1, value);
        model_.acknowledged.insert(value);
      }
      queue_->ack(*some);
      queue_->flush();
      continue;
    }
    const queue_info queue = client_.describe_queue("work", "workers");
    if (queue.ready + queue.leased + queue.parked == 0) break;
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
  CHECK(model_.open.empty());
  look_at_queue();
}

void world::compare_dead() {
  std::set<std::string> dead;
  for (const topic_info& each : client_.list_topics()) {
    if (each.name != "work.workers.dead") continue;
    for (const partition_info& partition : client_.describe_topic(each.name).partitions) {
      for (offset at = partition.log_start; at < partition.end;) {
        const records some = client_.fetch(each.name, partition.partition, at);
        for (const record& one : some) {
          const std::string value(one.value().value());
          CHECK_MESSAGE(dead.insert(value).second, value);
          CHECK_MESSAGE((model_.rejected.contains(value) || model_.uncertain.contains(value)), value);
        }
        at = some.end_offset();
      }
    }
  }
  for (const std::string& value : model_.rejected) CHECK_MESSAGE(dead.contains(value), value);
}

}  // namespace skald::tests
