// What becomes of a queue's records, made durable: settled, tried again later, or moved to the dead letters.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/server/active_queue.hpp"
#include "broker/server/record_mover.hpp"

namespace skald::server {

using delivery::verdict;

namespace {

// After a verdict that could not be made durable, until its records are given out again.
constexpr moment pause_after_failure{1'000};

// Several outcomes, told as one.
struct gathered {
  std::size_t left = 1;
  shard::failure why;
  std::function<void(const shard::failure&)> then;
  void one(const shard::failure& outcome) {
    if (outcome && !why) why = outcome;
    if (--left == 0 && then) then(why);
  }
};

}  // namespace

void active_queue::carry_out(std::vector<verdict> verdicts, std::function<void(const shard::failure&)> then) {
  if (verdicts.empty()) return;
  const auto all = std::make_shared<gathered>();
  all->then = std::move(then);
  shard::settle_command settle;
  std::vector<verdict> settling;
  for (verdict& one : verdicts) {
    const shard::queue_range range{id_, one.partition, one.first, one.end};
    switch (one.is) {
      case verdict::kind::settled:
        settle.settled.push_back(range);
        break;
      case verdict::kind::retry:
        settle.retried.push_back({range, one.attempts, host_.wall(one.due), one.reason});
        break;
      case verdict::kind::dead:
        ++all->left;
        bury(one, [all](const shard::failure& why) { all->one(why); });
        continue;
    }
    settling.push_back(std::move(one));
  }
  if (settling.empty()) return all->one({});
  host_.shard->settle(std::move(settle), [self = shared_from_this(), settling = std::move(settling),
                                          all](const shard::failure& why) {
    for (const verdict& one : settling) self->finish(one, why);
    all->one(why);
    self->pump_later();
    self->settled_idle();
  });
}

void active_queue::finish(const verdict& what, const shard::failure& why) {
  if (ended_) return;
  if (why) {
    dispatcher_->undone(what, host_.now(), pause_after_failure);
  } else {
    dispatcher_->done(what, host_.now());
  }
}

// ---- dead letters ----------------------------------------------------------------------------------------

std::string active_queue::dead_topic() const {
  return dead_topic_of(topic_name_, row_);
}

void active_queue::make_dead_topic(const std::function<void(const shard::failure&)>& then) {
  if (dead_topic_ready_) return then({});
  const std::string name = dead_topic();
  // Dead letters are read as a queue of their own: those dealt with are settled in it.
  const auto add_queue = [self = shared_from_this(), name, then](const shard::failure& why) {
    if (why) return then(why);
    self->host_.shard->create_queue(name, std::string(dead_queue_name), {}, true, false,
                                    [self, then](const shard::failure& failed, queue_id) {
                                      self->dead_topic_ready_ = !failed;
                                      then(failed);
                                    });
  };
  const auto partitions = static_cast<std::uint32_t>(partitions_.size());
  if (const auto existing = host_.shard->find_topic(name)) {
    if (existing->partitions >= partitions) return add_queue({});
    shard::topic_changes grow;
    grow.partitions = partitions;
    return host_.shard->alter_topic(
        name, grow, [add_queue](const shard::failure& why, const shard::topic_info&) { add_queue(why); });
  }
  shard::topic_settings settings = host_.shard->topic(topic_).settings;
  settings.partitions = partitions;
  settings.retention_bytes = settings.retention_ms = settings.bytes_max = shard::unlimited;
  // A dead letter has more headers than the record had.
  constexpr std::uint32_t headers_bytes_max = 4096;
  settings.record_bytes_max =
      std::max(settings.record_bytes_max, settings.record_bytes_max + headers_bytes_max);
  // It is encoded anew, alone and without compression.
  settings.batch_bytes_max = std::max(
      {settings.batch_bytes_max, settings.record_bytes_max, settings.record_bytes_max + headers_bytes_max});
  host_.shard->create_topic(
      name, settings, true,
      [add_queue](const shard::failure& why, const shard::topic_info&) { add_queue(why); });
}

// Retention takes records from the front: whether it has left none of these. Those that it has taken are
// given up.
bool active_queue::all_gone(const verdict& dead) {
  if (ended_) return true;
  const offset floor = host_.shard->queues().floor({id_, dead.partition});
  if (floor > dead.first) drop_before(dead.partition, floor);
  // One that is missing in between was compacted away.
  return floor <= dead.first || floor >= dead.end;
}

void active_queue::bury(const verdict& dead, std::function<void(const shard::failure&)> then) {
  // What the headers of the next dead letter point to.
  struct texts {
    std::string topic, queue, reason, attempts, partition, offset;
  };
  const auto text = std::make_shared<texts>(texts{topic_name_,
                                                  row_.name,
                                                  dead.reason,
                                                  std::to_string(dead.attempts),
                                                  std::to_string(dead.partition.value()),
                                                  {}});
  auto rewrite = [text, to = record_mover::target{dead_topic(), dead.partition}](
                     const protocol::record_view& record, std::vector<protocol::header_view>& headers) {
    text->offset = std::to_string(record.offset.value());
    headers.push_back({dead_header::reason, text->reason});
    headers.push_back({dead_header::topic, text->topic});
    headers.push_back({dead_header::partition, text->partition});
    headers.push_back({dead_header::offset, text->offset});
    headers.push_back({dead_header::attempts, text->attempts});
    headers.push_back({dead_header::queue, text->queue});
    return to;
  };
  const auto mover = std::make_shared<record_mover>(host_, partition_ref{topic_, dead.partition}, id_,
                                                    std::vector<record_mover::range>{{dead.first, dead.end}},
                                                    std::move(rewrite));
  const auto rest = std::make_shared<verdict>(dead);
  const auto moved = [self = shared_from_this(), rest](offset first, offset end) {
    verdict chunk = *rest;
    chunk.first = first;
    chunk.end = end;
    self->finish(chunk, {});
    rest->first = end;
  };
  const auto finished = [self = shared_from_this(), rest, then = std::move(then)](const shard::failure& why) {
    const bool gone = why.code == errc::offset_out_of_range && self->all_gone(*rest);
    if (gone) {
      self->finish(*rest, {});
    } else if (why) {
      self->dead_topic_ready_ = false;
      if (why.code != errc::offset_out_of_range)
        self->host_.warn(
            fmt::format("cannot move a record of queue '{}' to its dead letters: {}; it is tried again",
                        self->row_.name, why.message));
      self->finish(*rest, why);
    }
    then(gone ? shard::failure{} : why);
    self->pump_later();
    self->settled_idle();
  };
  make_dead_topic([mover, moved, finished](const shard::failure& why) {
    if (why) return finished(why);
    mover->run(moved, finished);
  });
}

}  // namespace skald::server
