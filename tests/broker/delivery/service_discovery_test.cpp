// What others learn about services.
#include "tests/broker/delivery/service_scene.hpp"

namespace skald::delivery::test {
namespace {

TEST_CASE("a listing has subject, instances, metadata and statistics") {
  service_scene on;
  const peer_id one = on.serve("one", 3);
  on.pass(2s);
  for (std::uint64_t request = 1; request <= 2; ++request) {
    on.ask(request);
    const effect::deliver asked = on.delivered();
    on.now += milliseconds(request);
    on.services.respond(on.now, {one, 0}, asked.correlation, {{}, request == 2, 1, "no"});
  }
  on.ask(3);
  const service_snapshot is = on.listed();
  CHECK(is.subject == "price");
  CHECK(is.statistics.requests == 3);
  CHECK(is.statistics.replies == 1);
  CHECK(is.statistics.failed == 1);
  CHECK(is.statistics.in_flight == 1);
  CHECK(is.statistics.max == 2ms);
  REQUIRE(is.instances.size() == 1);
  const instance_snapshot& instance = is.instances.front();
  CHECK(instance.id == "one");
  CHECK(instance.version == "1.0");
  CHECK(instance.metadata == properties{{"zone", "a"}});
  CHECK(instance.window == 3);
  CHECK(instance.age == 2003ms);
  CHECK(instance.statistics.p50 >= 1ms);
}

TEST_CASE("a long listing comes in pages, which may end within a service") {
  service_scene on;
  for (const char* subject : {"a", "b", "c"}) {
    for (int i = 0; i < 5; ++i) on.serve("i" + std::to_string(i), 1, subject);
  }
  std::vector<std::string> all;
  service_registry::page_options next{.limit = 4};
  for (bool more = true; more;) {
    const service_page page = on.services.list(on.now, next);
    more = page.more;
    REQUIRE(!page.services.empty());
    for (const service_snapshot& of : page.services) {
      for (const instance_snapshot& one : of.instances) all.push_back(of.subject + one.id);
    }
    next.after_subject = page.services.back().subject;
    next.after_instance = page.services.back().instances.back().id;
  }
  CHECK(all.size() == 15);
  CHECK(std::ranges::is_sorted(all));
  CHECK(std::ranges::adjacent_find(all) == all.end());
}

TEST_CASE("one service alone can be listed") {
  service_scene on;
  on.serve("one", 1, "a");
  on.serve("one", 1, "b");
  const service_page page = on.services.list(on.now, {.subject = "b"});
  REQUIRE(page.services.size() == 1);
  CHECK(page.services.front().subject == "b");
  CHECK_FALSE(page.more);
  CHECK(on.services.list(on.now, {.subject = "c"}).services.empty());
}

struct story {
  std::string instance;
  instance_state state;
  bool initial;
  std::string reason;
  friend bool operator==(const story&, const story&) = default;
};

std::vector<story> told(service_scene& on) {
  std::vector<story> all;
  for (const effect::changed& one : on.all<effect::changed>()) {
    CHECK(one.to == caller);
    CHECK(one.watch == 3);
    all.push_back({one.what->instance.id, one.what->instance.state, one.what->initial, one.what->reason});
  }
  return all;
}

TEST_CASE("a watch tells what there is, then every change") {
  service_scene on;
  const peer_id one = on.serve("one");
  on.services.watch(on.now, {caller, 9}, 3, "price");
  REQUIRE(std::holds_alternative<effect::done>(on.services.effects().front()));
  CHECK(told(on) == std::vector<story>{{"one", instance_state::healthy, true, ""}});

  const peer_id two(200);
  on.services.serve(on.now, {two, 1}, service_scene::registration_of("two"));
  CHECK(told(on) == std::vector<story>{{"two", instance_state::healthy, false, ""}});
  on.pass(2s);
  on.keep_alive({two});
  on.pass(1s);
  CHECK(told(on) == std::vector<story>{{"one", instance_state::unhealthy, false, ""}});
  on.keep_alive({one});
  CHECK(told(on) == std::vector<story>{{"one", instance_state::healthy, false, ""}});
  on.services.drain(on.now, {one, 50}, 7);
  CHECK(told(on) == std::vector<story>{{"one", instance_state::draining, false, ""},
                                       {"one", instance_state::left, false, "drained"}});
  on.services.peer_lost(on.now, two);
  CHECK(told(on) == std::vector<story>{{"two", instance_state::left, false, "connection lost"}});
}

TEST_CASE("a watch of one subject is not told of others, one of all is") {
  service_scene on;
  on.services.watch(on.now, {caller, 9}, 3, "price");
  on.services.watch(on.now, {caller, 10}, 4, "");
  on.services.effects().clear();
  const peer_id one(200);
  on.services.serve(on.now, {one, 1}, service_scene::registration_of("one", 1, "stock"));
  const auto changes = on.all<effect::changed>();
  REQUIRE(changes.size() == 1);
  CHECK(changes.front().watch == 4);
}

TEST_CASE("a watch ends when asked to, or with its connection") {
  service_scene on;
  on.services.watch(on.now, {caller, 9}, 3, "");
  on.services.watch(on.now, {other_caller, 9}, 3, "");
  on.services.unwatch({caller, 10}, 3);
  CHECK(on.last<effect::done>().request == 10);
  on.services.peer_lost(on.now, other_caller);
  on.serve("one");
  CHECK(on.all<effect::changed>().empty());
  on.services.unwatch({caller, 11}, 3);
  CHECK(on.last<effect::refused>().code == errc::invalid_request);
}

TEST_CASE("watches are numbered once and limited") {
  service_settings limits;
  limits.watches_per_peer_max = 2;
  service_scene on(limits);
  on.services.watch(on.now, {caller, 1}, 1, "");
  on.services.watch(on.now, {caller, 2}, 1, "");
  CHECK(on.last<effect::refused>().code == errc::invalid_request);
  on.services.watch(on.now, {caller, 3}, 2, "");
  on.services.watch(on.now, {caller, 4}, 3, "");
  CHECK(on.last<effect::refused>().code == errc::overloaded);
}

}  // namespace
}  // namespace skald::delivery::test
