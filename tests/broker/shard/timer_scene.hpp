// A shard with a topic `plain` to which records are sent that wait, or that expire.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "broker/shard/verify.hpp"
#include "broker/state/rows.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

struct timer_scene : scene {
  timer_scene() { REQUIRE_FALSE(create("plain")); }

  append_request record_to(std::string topic, std::string_view text, append_conditions conditions = {},
                           std::string_view key = "key") {
    protocol::batch_builder builder;
    REQUIRE(builder.append(key, text, {}, clock.now()) == errc::ok);
    append_request request = request_of(std::move(topic), 0, slice::copy_of(builder.finish()));
    request.conditions = std::make_shared<const append_conditions>(std::move(conditions));
    return request;
  }
  append_result set(std::string_view text, append_conditions conditions) {
    return append(record_to("plain", text, std::move(conditions)));
  }
  // A record whose text says its delay, and that it is the nth.
  void set_in(std::chrono::milliseconds delay) {
    const bool whole = delay.count() % 1'000 == 0;
    const std::string shown =
        whole ? std::to_string(delay.count() / 1'000) + "s" : std::to_string(delay.count()) + "ms";
    REQUIRE_FALSE(set(shown + " #" + std::to_string(++sent_), {.due = {.after = delay}}).why);
  }
  append_result set_named(std::string owner, std::string name, std::chrono::milliseconds delay,
                          std::string_view text) {
    return set(text,
               {.due = {.after = delay}, .timer_owner = std::move(owner), .timer_name = std::move(name)});
  }

  commit_result change(std::vector<timer_request> timers) {
    commit_request request;
    request.timers = std::move(timers);
    return commit(std::move(request));
  }

  std::vector<std::string> listed(std::string_view owner) {
    bool more = false;
    std::vector<std::string> all;
    for (const timer_info& one : shard_->list_timers(owner, "", "", 10'000, more))
      all.push_back(one.owner + " " + one.name);
    CHECK_FALSE(more);
    return all;
  }

 private:
  int sent_ = 0;
};

}  // namespace skald::shard::testing
