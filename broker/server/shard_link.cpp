#include "broker/server/shard_link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <tuple>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "skald/protocol/partitioner.hpp"

namespace skald::server {

using partition_ref = shard::shard::partition_ref;

// ---- waiting for records -------------------------------------------------------------------------------

// Lives on the shard's reactor, but for `finished`, which lets the waiter see that there is nothing to
// cancel.
class shard_service::wait final : public shard::watcher, public std::enable_shared_from_this<wait> {
 public:
  wait(shard_service& at, partition_ref of, offset from, std::uint64_t bytes_max,
       std::function<void(shared_plan)> done)
      : at_(at), of_(of), from_(from), bytes_max_(bytes_max), done_(std::move(done)) {}

  void run() {
    if (finished_) return;
    auto plan = std::make_shared<const shard::read_plan>(at_.shard_->plan_read(of_, from_, bytes_max_));
    if (!plan->why && plan->batches.empty() && plan->next == from_) {
      at_.waiting_.insert(shared_from_this());
      at_.shard_->watch(of_, from_, *this);
    } else {
      finished_ = true;
      std::exchange(done_, nullptr)(std::move(plan));
    }
  }

  // The shard is in the middle of something; what there is to read is planned after it.
  void on_readable() override {
    at_.runs_on_.post([self = shared_from_this()] { self->run(); });
    at_.waiting_.erase(shared_from_this());
  }

  void cancel() {
    finished_ = true;
    done_ = nullptr;
    if (at_.waiting_.erase(shared_from_this()) > 0) at_.shard_->unwatch(of_, *this);
  }

  bool finished() const { return finished_; }

 private:
  shard_service& at_;
  const partition_ref of_;
  const offset from_;
  const std::uint64_t bytes_max_;
  std::function<void(shared_plan)> done_;
  std::atomic<bool> finished_{false};
};

// ---- the shard's side ----------------------------------------------------------------------------------

shard_service::shard_service(executor& runs_on) : runs_on_(runs_on) {}

shard_service::~shard_service() = default;

shard::failure shard_service::locate_topics(const std::string& topic, located_topics& located) const {
  if (!protocol::is_pattern(topic)) {
    auto found = shard_->find_topic(topic);
    if (!found) return {errc::unknown_topic, fmt::format("there is no topic {}", handlers::shown(topic))};
    located.topics.push_back(std::move(*found));
    return {};
  }
  const auto pattern = protocol::topic_pattern::parse(topic);
  if (!pattern) return {pattern.error().code, pattern.error().message};
  located.topics = shard_->find_topics(*pattern);
  std::ranges::sort(located.topics, {}, &shard::shard::resolved_topic::id);
  return {};
}

located_topics shard_service::locate(const std::string& topic, std::vector<start_at> starts,
                                     const std::optional<start_at>& others) const {
  located_topics located;
  located.why = locate_topics(topic, located);
  if (located.why) return located;
  const bool single = !protocol::is_pattern(topic);
  std::map<partition_ref, start_at> wanted;
  for (start_at& start : starts) {
    if (single && start.topic == topic_id()) start.topic = located.topics.front().id;
    if (single && start.topic != located.topics.front().id) {
      located.why = {
          errc::unknown_topic,
          fmt::format("topic {} was deleted and created anew; subscribe again", handlers::shown(topic))};
      return located;
    }
    wanted.emplace(partition_ref{start.topic, start.partition}, start);
  }
  for (const auto& one : located.topics) {
    for (std::uint32_t i = 0; others && i < one.partitions; ++i) {
      start_at start = *others;
      start.topic = one.id;
      start.partition = partition_id(i);
      wanted.emplace(partition_ref{one.id, start.partition}, start);
    }
  }
  for (const auto& [of, start] : wanted) {
    const auto in = std::ranges::lower_bound(located.topics, of.topic, {}, &shard::shard::resolved_topic::id);
    if (in == located.topics.end() || in->id != of.topic) continue;
    if (of.partition.value() >= in->partitions) {
      located.why = {errc::unknown_partition,
                     fmt::format("topic {} has partitions 0 to {}, not {}", handlers::shown(in->name),
                                 in->partitions - 1, of.partition.value())};
      return located;
    }
    located.why = locate_start(*shard_, start, located.starts.emplace_back());
    if (located.why) return located;
  }
  return located;
}

shard::failure locate_start(const shard::shard& in, const start_at& start, located_start& found) {
  const partition_ref of{start.topic, start.partition};
  const auto info = in.partition(of);
  if (!info)
    return {errc::unknown_partition, fmt::format("there is no partition {}", start.partition.value())};
  found.topic = start.topic;
  found.info = *info;
  switch (start.kind) {
    case start_kind::earliest:
      found.at = info->log_start;
      break;
    case start_kind::latest:
      found.at = info->end;
      break;
    case start_kind::offset:
      found.at = std::max(offset(static_cast<std::uint64_t>(start.value)), info->log_start);
      if (found.at > info->end) {
        return {
            errc::offset_out_of_range,
            fmt::format("partition {} has offsets {} to {}; {} is beyond its end", start.partition.value(),
                        info->log_start.value(), info->end.value(), start.value)};
      }
      break;
    case start_kind::time: {
      found.wanted = timestamp(std::chrono::milliseconds(start.value));
      auto plan = std::make_shared<shard::read_plan>(in.plan_find(of, found.wanted));
      if (plan->why) return plan->why;
      found.at = plan->batches.empty() ? info->end : plan->batches.front().base_offset;
      found.look_inside = std::move(plan);
      break;
    }
  }
  return {};
}

shared_key_plan shard_service::plan_key(const std::string& topic, std::optional<partition_id>& partition,
                                        const std::string& key, std::uint64_t from_version,
                                        std::size_t limit) const {
  const auto found = shard_->find_topic(topic);
  if (!found) {
    auto none = std::make_shared<shard::key_plan>();
    none->plan.why = {errc::unknown_topic, fmt::format("there is no topic {}", handlers::shown(topic))};
    return none;
  }
  if (!partition) partition = protocol::partition_for(key, found->partitions);
  return std::make_shared<const shard::key_plan>(
      shard_->plan_key({found->id, *partition}, key, from_version, limit));
}

shard::key_listing shard_service::list_keys(const std::string& topic, partition_id partition,
                                            const std::string& prefix, const std::string& after,
                                            std::size_t limit) const {
  if (const auto found = shard_->find_topic(topic))
    return shard_->list_keys({found->id, partition}, prefix, after, limit);
  shard::key_listing none;
  none.why = {errc::unknown_topic, fmt::format("there is no topic {}", handlers::shown(topic))};
  return none;
}

// ---- a reactor's side ----------------------------------------------------------------------------------

template <class... Results>
std::function<void(Results...)> shard_link::back(std::function<void(Results...)> done) {
  return [&here = here_, done = std::move(done)](Results... results) {
    here.post([done, results = std::make_tuple(std::move(results)...)]() mutable {
      std::apply([&](auto&... each) { done(std::move(each)...); }, results);
    });
  };
}

void shard_link::create_topic(std::string name, shard::topic_settings settings, bool if_absent,
                              shard::shard::topic_done done) {
  to_.runs_on_.post([&to = to_, name = std::move(name), settings, if_absent, done = back(std::move(done))] {
    to.shard_->create_topic(name, settings, if_absent, done);
  });
}

void shard_link::alter_topic(std::string name, shard::topic_changes changes, shard::shard::topic_done done) {
  to_.runs_on_.post([&to = to_, name = std::move(name), changes, done = back(std::move(done))] {
    to.shard_->alter_topic(name, changes, done);
  });
}

void shard_link::delete_topic(std::string name, std::function<void(shard::failure)> done) {
  to_.runs_on_.post([&to = to_, name = std::move(name), done = back(std::move(done))] {
    to.shard_->delete_topic(name, done);
  });
}

void shard_link::describe_topic(std::string name,
                                std::function<void(std::optional<shard::topic_info>)> done) {
  to_.runs_on_.post([&to = to_, name = std::move(name), done = back(std::move(done))] {
    done(to.shard_->describe_topic(name));
  });
}

void shard_link::list_topics(std::string after, std::size_t limit,
                             std::function<void(std::vector<shard::topic_info>, bool)> done) {
  to_.runs_on_.post([&to = to_, after = std::move(after), limit, done = back(std::move(done))] {
    bool more = false;
    auto topics = to.shard_->list_topics(after, limit, more);
    done(std::move(topics), more);
  });
}

void shard_link::append(std::vector<shard::append_request> batches, durability wanted,
                        shard::shard::append_done done) {
  to_.runs_on_.post(
      [&to = to_, batches = std::move(batches), wanted, done = back(std::move(done))]() mutable {
        to.shard_->append(std::move(batches), wanted, std::move(done));
      });
}

void shard_link::init_producer(shard::producer_request what, shard::shard::producer_done done) {
  to_.runs_on_.post([&to = to_, what = std::move(what), done = back(std::move(done))]() mutable {
    to.shard_->init_producer(std::move(what), std::move(done));
  });
}

void shard_link::locate(std::string topic, std::vector<start_at> starts, std::optional<start_at> others,
                        std::function<void(located_topics)> done) {
  to_.runs_on_.post([&to = to_, topic = std::move(topic), starts = std::move(starts), others,
                     done = back(std::move(done))] { done(to.locate(topic, starts, others)); });
}

void shard_link::commit(shard::commit_request what, shard::shard::commit_done done) {
  to_.runs_on_.post([&to = to_, what = std::move(what), done = back(std::move(done))]() mutable {
    to.shard_->commit(std::move(what), std::move(done));
  });
}

void shard_link::plan_key(std::string topic, std::optional<partition_id> partition, std::string key,
                          std::uint64_t from_version, std::size_t limit,
                          std::function<void(partition_id, shared_key_plan)> done) {
  to_.runs_on_.post([&to = to_, topic = std::move(topic), partition, key = std::move(key), from_version,
                     limit, done = back(std::move(done))]() mutable {
    auto plan = to.plan_key(topic, partition, key, from_version, limit);
    done(partition.value_or(partition_id()), std::move(plan));
  });
}

void shard_link::list_keys(std::string topic, partition_id partition, std::string prefix, std::string after,
                           std::size_t limit, std::function<void(shard::key_listing)> done) {
  to_.runs_on_.post(
      [&to = to_, topic = std::move(topic), partition, prefix = std::move(prefix), after = std::move(after),
       limit, done = back(std::move(done))] { done(to.list_keys(topic, partition, prefix, after, limit)); });
}

void shard_link::plan(partition_ref of, offset from, std::uint64_t bytes_max,
                      std::function<void(shared_plan)> done) {
  to_.runs_on_.post([&to = to_, of, from, bytes_max, done = back(std::move(done))] {
    done(std::make_shared<const shard::read_plan>(to.shard_->plan_read(of, from, bytes_max)));
  });
}

wait_token shard_link::plan_when_readable(partition_ref of, offset from, std::uint64_t bytes_max,
                                          std::function<void(shared_plan)> done) {
  auto wait = std::make_shared<shard_service::wait>(to_, of, from, bytes_max, back(std::move(done)));
  to_.runs_on_.post([wait] { wait->run(); });
  shard_service::wait* const raw = wait.get();
  return wait_token(raw, [wait = std::move(wait), &shard_runs_on = to_.runs_on_](void*) {
    if (!wait->finished()) shard_runs_on.post([wait] { wait->cancel(); });
  });
}

void shard_link::list_timers(timer_page which,
                             std::function<void(std::vector<shard::timer_info>, bool more)> done) {
  to_.runs_on_.post([&to = to_, which = std::move(which), done = back(std::move(done))] {
    bool more = false;
    auto listed =
        to.shard_->list_timers(which.owner_prefix, which.after_owner, which.after_name, which.limit, more);
    done(std::move(listed), more);
  });
}

void shard_link::stats(std::function<void(shard::statistics)> done) {
  to_.runs_on_.post([&to = to_, done = back(std::move(done))] { done(to.shard_->stats()); });
}

}  // namespace skald::server
