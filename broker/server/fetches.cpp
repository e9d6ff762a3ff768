#include "broker/server/fetches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/record_filter.hpp"
#include "broker/server/session.hpp"
#include "skald/protocol/topic_pattern.hpp"

namespace skald::server {

struct fetches::fetch {
  std::uint64_t number = 0;
  pending_request request;
  shard::shard::partition_ref of;
  offset from;
  offset next;  // nothing before it is to be read, though it is not before `from`
  std::optional<record_filter> filter;
  std::size_t bytes_min = 0;
  std::size_t bytes_max = 0;
  clock::time_point deadline;
  bool done = false;
  bool due = false;
  shared_plan plan;    // the newest known
  wait_token waiting;  // for a first or a larger one
};

fetches::fetches(session& of) : session_(of), host_(of.host()) {}

fetches::~fetches() = default;

template <class Then>
auto fetches::later(const shared& which, Then then) {
  return [session = session_.weak_from_this(), which, then]<class... Results>(Results&&... results) {
    const auto alive = session.lock();
    if (alive && !which->done) (alive->long_polls().*then)(which, std::forward<Results>(results)...);
  };
}

void fetches::begin(const pending_request& request, const wire::Fetch& message) {
  if (protocol::is_pattern(protocol::text(message.topic())))
    return request.fail(errc::invalid_topic_name, "a fetch reads one topic; subscribe to a pattern instead");
  auto filter = read_filter(message.filter());
  if (!filter) return request.fail(filter.error().code, filter.error().message);
  const auto added = std::make_shared<fetch>();
  added->filter = *std::move(filter);
  added->number = ++last_;
  added->request = request;
  added->from = added->next = offset(message.offset());
  const std::size_t limit = host_.settings.fetch_bytes_max;
  added->bytes_max = message.bytes_max() == 0 ? limit : std::min<std::size_t>(message.bytes_max(), limit);
  added->bytes_min = std::min<std::size_t>(message.bytes_min(), added->filter ? 1 : added->bytes_max);
  constexpr std::uint32_t wait_ms_max = 10 * 60 * 1000;
  added->deadline = host_.now() + std::chrono::milliseconds(std::min(message.wait_ms(), wait_ms_max));
  under_way_.emplace(added->number, added);
  // Finds the topic and its partition; where the fetch begins is its own affair.
  host_.shard.locate(std::string(protocol::text(message.topic())),
                     {{partition_id(message.partition()), start_kind::earliest, 0}}, std::nullopt,
                     later(added, &fetches::located));
}

void fetches::located(const shared& which, const located_topics& topics) {
  if (topics.why) return fail(which, topics.why.code, topics.why.message);
  which->of = {topics.starts.front().topic, topics.starts.front().info.partition};
  plan(which);
}

void fetches::plan(const shared& which) {
  host_.shard.plan(which->of, which->next, which->bytes_max, later(which, &fetches::planned));
}

void fetches::planned(const shared& which, shared_plan plan) {
  which->waiting.reset();
  if (plan->why) return fail(which, plan->why.code, plan->why.message);
  if (plan->batches.empty() && plan->next > which->next) {
    which->next = plan->next;  // all of it has expired
    if (which->next < plan->high_watermark) return this->plan(which);
  }
  which->plan = std::move(plan);
  std::size_t bytes = 0;
  for (const shard::stored_batch& batch : which->plan->batches) bytes += batch.at.bytes;
  if (bytes >= which->bytes_min || which->deadline <= host_.now()) {
    answer_due(which);
  } else {
    wait_for_more(which, which->plan->high_watermark);
  }
}

void fetches::wait_for_more(const shared& which, offset beyond) {
  arm(which->deadline);
  which->plan.reset();  // it would keep segments from being recycled
  which->waiting = host_.shard.plan_when_readable(
      which->of, beyond, 1, [session = session_.weak_from_this(), which](const shared_plan&) {
        const auto alive = session.lock();
        if (!alive || which->done || which->due) return;
        which->waiting.reset();
        alive->long_polls().plan(which);
      });
}

void fetches::answer_due(const shared& which) {
  which->due = true;
  due_.push_back(which);
  pump();
}

void fetches::pump() {
  while (!due_.empty() && session_.has_output_room(bytes_being_read_)) {
    const shared next = std::move(due_.front());
    due_.pop_front();
    read(next);
  }
}

void fetches::read(const shared& which) {
  const shard::read_plan& plan = *which->plan;
  if (plan.batches.empty()) return answer(which, {});
  const batch_run run = choose_run(plan, 0, which->bytes_max);
  auto read = host_.reader.read(
      which->plan, run,
      [session = session_.weak_from_this(), which, run](std::error_code failed, slice bytes) {
        const auto alive = session.lock();
        if (!alive) return;
        fetches& self = alive->long_polls();
        self.bytes_being_read_ -= run.bytes;
        if (!which->done) {
          failed ? self.fail(which, errc::storage_error, failed.message())
                 : self.found(which, run, std::move(bytes));
        }
        self.pump();
      });
  if (!read) {
    bytes_being_read_ += run.bytes;
  } else if (read->failed) {
    fail(which, errc::storage_error, fmt::format("cannot read the batches: {}", read->failed.message()));
  } else {
    found(which, run, std::move(read->bytes));
  }
}

void fetches::found(const shared& which, const batch_run& run, slice bytes) {
  if (!which->filter) {
    which->next = after(*which->plan, run);
    return answer(which, {std::move(bytes), {}});
  }
  auto [what, next] = filter_run(*which->filter, host_.selection, *which->plan, run, bytes, which->next,
                                 which->bytes_max, host_.reader.memory());
  which->next = next;
  if (!what.payload.empty() || which->deadline <= host_.now()) return answer(which, std::move(what));
  which->due = false;
  plan(which);  // what comes later may match
}

void fetches::answer(const shared& which, selected_records what) {
  which->done = true;
  under_way_.erase(which->number);
  const shared_plan plan = std::move(which->plan);
  which->request.answer(
      [&](auto& builder) {
        const auto offsets = what.offsets.empty() ? 0 : builder.CreateVector(what.offsets);
        return wire::CreateFetchOk(builder, which->from.value(), plan->high_watermark.value(),
                                   plan->log_start.value(), offsets,
                                   which->next > which->from ? which->next.value() : 0);
      },
      std::move(what.payload));
}

void fetches::fail(const shared& which, errc code, std::string_view why) {
  which->done = true;
  which->waiting.reset();
  under_way_.erase(which->number);
  which->request.fail(code, why);
}

void fetches::cancel(errc code, std::string_view why) {
  due_.clear();
  while (!under_way_.empty()) fail(shared(under_way_.begin()->second), code, why);
}

void fetches::clear() {
  for (const auto& [number, one] : under_way_) one->done = true;
  under_way_.clear();
  due_.clear();
}

void fetches::arm(clock::time_point deadline) {
  if (deadline >= armed_for_) return;
  armed_for_ = deadline;
  const auto delay = std::chrono::ceil<std::chrono::milliseconds>(deadline - host_.now());
  host_.runs_on.post_after(std::max(delay, std::chrono::milliseconds(1)),
                           [session = session_.weak_from_this(), deadline] {
                             const auto alive = session.lock();
                             if (!alive || alive->long_polls().armed_for_ != deadline) return;
                             alive->long_polls().expire();
                           });
}

void fetches::expire() {
  armed_for_ = clock::time_point::max();
  const auto now = host_.now();
  std::vector<shared> expired;
  auto next = clock::time_point::max();
  for (const auto& [number, one] : under_way_) {
    if (!one->waiting) continue;
    if (one->deadline <= now) {
      expired.push_back(one);
    } else {
      next = std::min(next, one->deadline);
    }
  }
  for (const shared& one : expired) {
    one->waiting.reset();
    plan(one);  // whatever there is by now
  }
  if (next != clock::time_point::max()) arm(next);
}

}  // namespace skald::server
