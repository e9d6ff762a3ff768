// Named timers, which wait for longer than the test runs, and records that are delayed for a moment.
#include <thread>

#include <doctest/doctest.h>

#include "tests/system/model/world.hpp"

namespace skald::tests {

void world::set_timer() {
  const std::string name = some_timer();
  const timestamp due = far_from_now();
  commit effect;
  effect.set_timer(name, due, "due", {.value = new_value()});
  client_.commit(std::move(effect));
  model_.timers[name] = due;
}

void world::move_timer() {
  const std::string name = some_timer();
  const timestamp due = far_from_now();
  commit effect;
  effect.move_timer(name, due);
  try {
    client_.commit(std::move(effect));
    REQUIRE(model_.timers.contains(name));
    model_.timers[name] = due;
  } catch (const commit_refused& why) {
    REQUIRE_FALSE(model_.timers.contains(name));
    CHECK(why.code() == errc::unknown_timer);
  }
}

void world::cancel_timer() {
  const std::string name = some_timer();
  commit effect;
  effect.cancel_timer(name, one_in(2) ? commit::missing::fine : commit::missing::refused);
  try {
    client_.commit(std::move(effect));
  } catch (const commit_refused& why) {
    REQUIRE_FALSE(model_.timers.contains(name));
    CHECK(why.code() == errc::unknown_timer);
  }
  model_.timers.erase(name);
}

void world::list_timers() {
  const std::string owner = one_in(2) ? "owner1" : "owner";
  std::map<std::string, timestamp> expected;
  for (const auto& [name, due] : model_.timers)
    if (name.starts_with(owner)) expected[name] = due;
  std::map<std::string, timestamp> found;
  for (const timer_info& each : client_.list_timers({.owner_prefix = owner})) found[each.name] = each.due;
  CHECK(found == expected);
}

void world::delay() {
  if (one_in(3)) return cancel_in_time();
  const std::string value = new_value();
  const milliseconds wait(below(150));
  const timestamp asked = time_now();
  publish_options options;
  timestamp due = timestamp::max();
  if (one_in(3)) {
    options.delay = wait;
  } else {
    options.deliver_at = due = asked + wait;
  }
  const published done = client_.publish("due", {.value = value}, options);
  const timestamp acknowledged = time_now();
  // One whose time has come when the broker gets it is appended at once.
  if (done.offset) CHECK(acknowledged >= (options.delay ? asked + *options.delay : due));
  model_.delays[value] = {due, acknowledged};
}

// A timer that may fire before it is cancelled: then it is not there any more, and its record is.
void world::cancel_in_time() {
  const std::string value = new_value();
  commit setting;
  setting.set_timer("short/" + value, milliseconds(below(10)), "due", {.value = value});
  client_.commit(std::move(setting));
  const timestamp acknowledged = time_now();
  std::this_thread::sleep_for(std::chrono::microseconds(below(5'000)));
  commit cancelling;
  cancelling.cancel_timer("short/" + value);
  try {
    client_.commit(std::move(cancelling));
  } catch (const commit_refused& why) {
    CHECK(why.code() == errc::unknown_timer);
    model_.delays[value] = {timestamp::max(), acknowledged};
  }
}

void world::compare_delays() {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const std::uint64_t expected = model_.delays.size();
  std::uint64_t end = 0;
  do {
    end = client_.describe_topic("due").partitions.at(0).end.value();
  } while (end < expected && std::chrono::steady_clock::now() < deadline);
  REQUIRE(end == expected);
  std::vector<delayed> in_order;
  std::set<std::string> values;
  for (std::uint64_t at = 0; at < end;) {
    const records some = client_.fetch("due", partition_id(0), offset(at));
    for (const record& one : some) {
      const std::string value(one.value().value());
      CHECK_MESSAGE(values.insert(value).second, value);
      REQUIRE_MESSAGE(model_.delays.contains(value), value);
      in_order.push_back(model_.delays[value]);
    }
    at = some.end_offset().value();
  }
  CHECK(values.size() == expected);
  // One that was known to wait before it was due comes before all that were due later.
  timestamp latest_due{};
  for (const delayed& each : in_order) {
    if (each.acknowledged < each.due) CHECK(each.due >= latest_due);
    if (each.due != timestamp::max()) latest_due = std::max(latest_due, each.due);
  }
}

}  // namespace skald::tests
