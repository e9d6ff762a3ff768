#include "broker/server/shard_link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <tuple>
#include <utility>

#include "broker/server/handlers/handlers.hpp"

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
    if (!plan->why && plan->batches.empty()) {
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

shard_service::shard_service(executor& runs_on, topic_grew tell)
    : runs_on_(runs_on), tell_(std::move(tell)) {}

shard_service::~shard_service() = default;

located_topic shard_service::locate(const std::string& topic, const std::vector<start_at>& starts,
                                    start_at otherwise) const {
  located_topic located;
  const auto found = shard_->find_topic(topic);
  if (!found) {
    located.why = {errc::unknown_topic, fmt::format("there is no topic {}", handlers::shown(topic))};
    return located;
  }
  located.topic = found->id;
  const std::size_t count = starts.empty() ? found->partitions : starts.size();
  located.starts.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    start_at start = starts.empty() ? otherwise : starts[i];
    if (starts.empty()) start.partition = partition_id(static_cast<std::uint32_t>(i));
    if (start.partition.value() >= found->partitions) {
      located.why = {errc::unknown_partition,
                     fmt::format("topic {} has partitions 0 to {}, not {}", handlers::shown(topic),
                                 found->partitions - 1, start.partition.value())};
      return located;
    }
    located.why = locate_one(found->id, start, located.starts[i]);
    if (located.why) return located;
  }
  return located;
}

shard::failure shard_service::locate_one(topic_id topic, const start_at& start, located_start& found) const {
  const partition_ref of{topic, start.partition};
  const auto info = shard_->partition(of);
  if (!info)
    return {errc::unknown_partition, fmt::format("there is no partition {}", start.partition.value())};
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
      auto plan = std::make_shared<shard::read_plan>(shard_->plan_find(of, found.wanted));
      if (plan->why) return plan->why;
      found.at = plan->batches.empty() ? info->end : plan->batches.front().base_offset;
      found.look_inside = std::move(plan);
      break;
    }
  }
  return {};
}

void shard_service::altered(const shard::topic_info& topic) {
  tell_(topic.id, topic.settings.partitions);
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
    to.shard_->alter_topic(name, changes, [&to, done](shard::failure why, shard::topic_info topic) {
      if (!why) to.altered(topic);
      done(std::move(why), std::move(topic));
    });
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

void shard_link::init_producer(shard::shard::producer_done done) {
  to_.runs_on_.post([&to = to_, done = back(std::move(done))] { to.shard_->init_producer(done); });
}

void shard_link::locate(std::string topic, std::vector<start_at> starts, start_at otherwise,
                        std::function<void(located_topic)> done) {
  to_.runs_on_.post([&to = to_, topic = std::move(topic), starts = std::move(starts), otherwise,
                     done = back(std::move(done))] { done(to.locate(topic, starts, otherwise)); });
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

void shard_link::stats(std::function<void(shard::statistics)> done) {
  to_.runs_on_.post([&to = to_, done = back(std::move(done))] { done(to.shard_->stats()); });
}

}  // namespace skald::server
