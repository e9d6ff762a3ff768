// Timers: when to look at them, and proposing to fire those that are due.
//
// All that is in memory of timers is when the next is due. The wall clock may step either way: an alarm that
// goes off too early finds nothing due and is set again, and every tick looks at the clock, so that a step
// forwards is noticed within a tick. Firing goes in commands of bounded size, few of them under way at a
// time, so that a million timers of one second leave the reactor to others in between.
#include <algorithm>
#include <cassert>
#include <utility>

#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

namespace {

constexpr std::size_t timers_per_fire = 256;
constexpr std::uint32_t fires_under_way_max = 2;

std::string bytes_accepted() {
  return "; owner and name together have at most " + std::to_string(state::timer_name_bytes_max) + " bytes";
}

}  // namespace

failure resolve(const due_time& wanted, timestamp now, timestamp& due) {
  // Year 9999: what comes later is a mistake, and sums with it may overflow.
  constexpr timestamp latest{std::chrono::milliseconds(253'402'300'799'999)};
  if (wanted.at && wanted.after)
    return {errc::invalid_request, "a record is delivered at a time or after a delay, not both"};
  const auto delay = wanted.after.value_or(std::chrono::milliseconds(0));
  if (delay < std::chrono::milliseconds(0) || delay > latest - timestamp())
    return {errc::invalid_request, "a delay of " + std::to_string(delay.count()) + " ms is out of range"};
  due = wanted.at.value_or(now + delay);
  if (due < timestamp() || due > latest)
    return {errc::invalid_request,
            std::to_string(due.time_since_epoch().count()) + " ms since 1970 is not a time to deliver at"};
  return {};
}

failure check_timer_name(std::string_view owner, std::string_view name) {
  if (name.empty()) return {errc::invalid_request, "a timer's name is empty" + bytes_accepted()};
  if (owner.size() + name.size() > state::timer_name_bytes_max)
    return {errc::invalid_request,
            "a timer's name has " + std::to_string(owner.size() + name.size()) + " bytes" + bytes_accepted()};
  return {};
}

failure shard::impl::read_timers(const std::vector<timer_request>& requests, timestamp now,
                                 commit_command& made, commit_part& refused) const {
  made.timers.reserve(requests.size());
  for (const timer_request& request : requests) {
    refused = {commit_part::kind::timer, static_cast<std::uint32_t>(made.timers.size())};
    timer_change& change = made.timers.emplace_back();
    change = {.what = request.move_to ? timer_change::kind::move : timer_change::kind::cancel,
              .of = {request.owner, request.name},
              .due = {},
              .if_exists = request.if_exists};
    if (failure why = check_timer_name(request.owner, request.name)) return why;
    if (failure why = resolve(request.move_to, now, change.due)) return why;
  }
  refused = {};
  return {};
}

// ---- firing ----

void shard::impl::expect_timer(timestamp due) {
  if (next_due_ && *next_due_ <= due) return;
  next_due_ = due;
  arm_timers();
}

void shard::impl::arm_timers() {
  if (!next_due_ || (alarm_ && *alarm_ <= *next_due_)) return;
  const auto wait = *next_due_ - clock_.now();
  if (wait > options_.retention_interval) return;  // a tick will look
  alarm_ = next_due_;
  const auto look = [](impl& self) {
    self.alarm_.reset();
    self.fire_due();
  };
  if (wait <= std::chrono::milliseconds(0)) return post(look);
  post_after(wait, look);
}

void shard::impl::fire_due() {
  if (stopping_ || broken_ || !next_due_) return;
  const timestamp now = clock_.now();
  if (*next_due_ > now) return arm_timers();
  try {
    // A refusal, for want of space, is left to the next tick.
    while (fires_proposed_ < fires_under_way_max && next_due_ && *next_due_ <= now)
      if (propose_fire(now)) return;
  } catch (const std::exception& why) {
    return broken(why);
  }
}

failure shard::impl::propose_fire(timestamp now) {
  fire_command fire{.timers = {}, .now = now};
  std::optional<timestamp> later;
  if (fires_proposed_ == 0) fire_next_ = {};
  tables_.timers.scan(fire_next_, [&](const state::timer_key& key, const state::timer_row&) {
    if (key.due > now) later = key.due;
    if (later || fire.timers.size() == timers_per_fire) return false;
    fire.timers.push_back(key);
    return true;
  });
  if (fire.timers.empty()) {
    // What was proposed is still among those that wait: only without it is the front what is due next.
    if (fires_proposed_ > 0) return {errc::overloaded, "all that is due is being fired"};
    next_due_ = later;
    arm_timers();
    return {};
  }
  const state::timer_key last = fire.timers.back();
  failure why = propose(std::move(fire), journal::urgency::normal, [this](const effect& fired) {
    --fires_proposed_;
    if (!fired.why) fire_due();
  });
  if (why) return why;
  ++fires_proposed_;
  fire_next_ = {last.due, last.id + 1};
  return {};
}

// ---- the contract ----

std::vector<timer_info> shard::list_timers(std::string_view owner_prefix, std::string_view after_owner,
                                           std::string_view after_name, std::size_t limit, bool& more) const {
  const state::tables& tables = impl_->tables_;
  std::vector<timer_info> listed;
  more = false;
  const state::timer_name_key after{std::string(after_owner), std::string(after_name)};
  const state::timer_name_key from = std::max(after, {std::string(owner_prefix), {}});
  tables.timer_names.scan(from, [&](const state::timer_name_key& of, const state::timer_name_row& row) {
    if (!of.owner.starts_with(owner_prefix)) return false;
    if (of == after) return true;
    const auto timer = tables.timers.get(row.timer);
    const state::topic_row* topic = timer ? tables.topics.find(timer->to.topic) : nullptr;
    if (topic == nullptr) return true;  // it has been deleted
    more = listed.size() == limit;
    if (!more)
      listed.push_back({of.owner, of.name, row.timer.due, topic->name, timer->to.partition, timer->at.bytes});
    return !more;
  });
  return listed;
}

}  // namespace skald::shard
