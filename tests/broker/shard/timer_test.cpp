// Records that wait for their time, on a simulated disk and clock.
#include <doctest/doctest.h>

#include "tests/broker/shard/timer_scene.hpp"

namespace skald::shard::testing {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using texts = std::vector<std::string>;
using part = commit_part::kind;

}  // namespace

TEST_CASE("a record with a delay has no offset and no reader until it is due") {
  timer_scene s;
  const timestamp stamped = s.clock.now();
  const append_result set = s.set("later", {.due = {.after = seconds(10)}});
  CHECK_FALSE(set.why);
  CHECK_FALSE(set.base_offset);
  CHECK(s.append("plain", 0, "now").base_offset == offset(0));
  s.pass(milliseconds(9'999));
  CHECK(s.values("plain") == texts{"now"});
  s.pass(milliseconds(1));
  CHECK(s.values("plain") == texts{"now", "later"});
  const auto found = s.shard_->plan_find(s.ref("plain"), stamped);
  CHECK(found.batches.at(0).base_offset == offset(0));  // the record keeps its timestamp
  CHECK(s.findings() == "");
}

TEST_CASE("a time that has come already is no reason to wait") {
  timer_scene s;
  CHECK(s.set("a", {.due = {.at = s.clock.now() - hours(1)}}).base_offset == offset(0));
  CHECK(s.set("b", {.due = {.after = seconds(0)}}).base_offset == offset(1));
  CHECK(s.set("c", {.due = {.at = s.clock.now()}, .timer_owner = "o", .timer_name = "n"}).base_offset ==
        offset(2));
  CHECK(s.listed("").empty());
}

TEST_CASE("records are appended in order of due time, and those of one time in the order they were set") {
  timer_scene s;
  for (const int second : {5, 3, 9, 3, 1, 7, 3}) s.set_in(seconds(second));
  SUBCASE("as they come due") {
    s.pass(seconds(10));
  }
  SUBCASE("all at once") {
    s.clock.advance(hours(1));
    s.pass(seconds(1));
  }
  SUBCASE("after a restart") {
    s.crash();
    s.pass(seconds(4));
    s.crash();
    s.pass(seconds(10));
  }
  CHECK(s.values("plain") == texts{"1s #5", "3s #2", "3s #4", "3s #7", "5s #1", "7s #6", "9s #3"});
  CHECK(s.findings() == "");
}

TEST_CASE("what came due while the broker was down is appended when it starts") {
  timer_scene s;
  s.set_in(seconds(5));
  s.disk.crash();
  s.clock.advance(minutes(5));
  s.crash();
  s.settle();
  CHECK(s.values("plain") == texts{"5s #1"});
  s.crash();
  s.pass(seconds(10));
  CHECK(s.values("plain") == texts{"5s #1"});
}

TEST_CASE("steps of the clock neither lose nor double a record") {
  timer_scene s;
  s.set_in(minutes(30));
  s.set_in(hours(2));
  s.set_in(milliseconds(500));
  SUBCASE("an hour forwards fires what has become due, within a tick") {
    s.clock.advance(hours(1));
    s.pass(s.with.retention_interval);
    CHECK(s.values("plain") == texts{"500ms #3", "1800s #1"});
    s.clock.advance(-hours(1));
    s.pass(hours(2));
  }
  SUBCASE("an hour backwards makes records wait for it to pass again") {
    s.clock.advance(-hours(1));
    s.pass(seconds(10));
    CHECK(s.values("plain").empty());
    s.pass(hours(3));
  }
  SUBCASE("to and fro, with restarts") {
    for (int i = 0; i < 5; ++i) {
      s.clock.advance(i % 2 == 0 ? hours(1) : -hours(1));
      s.crash();
      s.pass(seconds(5));
    }
    s.pass(hours(3));
  }
  CHECK(s.values("plain") == texts{"500ms #3", "1800s #1", "7200s #2"});
  CHECK(s.findings() == "");
}

TEST_CASE("a timer set earlier than all others is not kept waiting by them") {
  timer_scene s;
  s.set_in(milliseconds(900));
  s.set_in(milliseconds(200));
  s.pass(milliseconds(250));
  CHECK(s.values("plain") == texts{"200ms #2"});
}

TEST_CASE("named timers are listed by owner, replaced, moved and cancelled") {
  timer_scene s;
  s.set_named("order/1", "expiry", seconds(60), "one");
  s.set_named("order/1", "reminder", seconds(30), "two");
  s.set_named("order/2", "expiry", seconds(60), "three");
  s.set_named("user", "expiry", seconds(60), "four");
  CHECK(s.listed("order/") == texts{"order/1 expiry", "order/1 reminder", "order/2 expiry"});
  CHECK(s.listed("order/1").size() == 2);

  bool more = false;
  const auto page = s.shard_->list_timers("order/", "order/1", "expiry", 1, more);
  REQUIRE(page.size() == 1);
  CHECK(page[0].name == "reminder");
  CHECK(page[0].topic == "plain");
  CHECK(page[0].due == s.clock.now() + seconds(30));
  CHECK(more);

  s.set_named("order/1", "expiry", seconds(90), "one again");
  CHECK(s.listed("order/1").size() == 2);
  CHECK_FALSE(s.change({{"order/2", "expiry", {.after = seconds(10)}}, {"user", "expiry"}}).why);
  s.crash();
  CHECK(s.listed("") == texts{"order/1 expiry", "order/1 reminder", "order/2 expiry"});
  s.pass(seconds(120));
  CHECK(s.values("plain") == texts{"three", "two", "one again"});
  CHECK(s.listed("").empty());
  CHECK(s.findings() == "");
}

TEST_CASE("a timer that has fired cannot be cancelled or moved, and the commit says which part that was") {
  timer_scene s;
  s.set_named("a", "fired", seconds(1), "fired");
  s.set_named("a", "waits", seconds(100), "waits");
  s.pass(seconds(2));
  const commit_result cancelled = s.change({{"a", "waits"}, {"a", "fired"}});
  CHECK(cancelled.why.code == errc::unknown_timer);
  CHECK(cancelled.refused.what == part::timer);
  CHECK(cancelled.refused.index == 1);
  CHECK(s.change({{"a", "fired", {.after = seconds(5)}}}).why.code == errc::unknown_timer);
  CHECK(s.listed("a") == texts{"a waits"});
  CHECK_FALSE(s.change({{"a", "fired", {}, true}, {"a", "waits", {}, true}}).why);
  CHECK(s.listed("a").empty());
  s.pass(seconds(200));
  CHECK(s.values("plain") == texts{"fired"});
}

TEST_CASE("timers are part of an atomic commit: all of it or none") {
  timer_scene s;
  s.set_named("saga", "step", seconds(10), "timeout");
  const auto now = s.record_to("plain", "done");
  const auto timer = s.record_to(
      "plain", "next timeout", {.due = {.after = seconds(20)}, .timer_owner = "saga", .timer_name = "step"});

  commit_request refused = s.commit_of({now, timer});
  refused.timers = {{"saga", "step"}, {"saga", "step"}};  // the second finds nothing
  CHECK(s.commit(refused).why.code == errc::unknown_timer);
  CHECK(s.values("plain").empty());
  CHECK(s.listed("") == texts{"saga step"});

  commit_request made = s.commit_of({now, timer});
  made.timers = {{"saga", "step"}};
  made.producer = producer_id(3);
  made.sequence = 1;
  const commit_result done = s.commit(made);
  CHECK_FALSE(done.why);
  CHECK(done.appends.at(0).base_offset == offset(0));
  CHECK_FALSE(done.appends.at(1).base_offset);
  s.crash();
  const commit_result again = s.commit(made);
  CHECK(again.duplicate);
  CHECK_FALSE(again.appends.at(1).base_offset);
  s.pass(seconds(60));
  CHECK(s.values("plain") == texts{"done", "next timeout"});
  CHECK(s.findings() == "");
}

TEST_CASE("a commit that forgets a message id judges what it appends under it") {
  timer_scene s;
  REQUIRE_FALSE(s.create("events", {.index = topic_index::key}));
  const append_conditions timer{
      .message_id = "m", .due = {.after = seconds(10)}, .timer_owner = "o", .timer_name = "t"};
  append_conditions stale{.expected_version = 7, .message_id = "m"};
  REQUIRE_FALSE(s.append(s.record_to("events", "one", timer, "k")).why);
  const auto check_refused = [&](commit_request commit, std::uint32_t index) {
    const commit_result refused = s.commit(std::move(commit));
    CHECK(refused.why.code == errc::version_conflict);
    CHECK(refused.refused.what == part::append);
    CHECK(refused.refused.index == index);
    CHECK(s.listed("o") == texts{"o t"});
  };
  SUBCASE("by cancelling its timer") {
    commit_request commit = s.commit_of({s.record_to("events", "two", stale, "k")});
    commit.timers = {{"o", "t"}};
    check_refused(commit, 0);
  }
  SUBCASE("by setting its timer anew") {
    append_conditions another = timer;
    another.message_id = "n";
    check_refused(
        s.commit_of({s.record_to("events", "two", another, "k"), s.record_to("events", "three", stale, "k")}),
        1);
  }
  SUBCASE("that it has set itself") {
    append_conditions first = timer;
    append_conditions second = timer;
    first.message_id = "n";
    second.message_id = "";
    stale.message_id = "n";
    check_refused(
        s.commit_of({s.record_to("events", "two", first, "k"), s.record_to("events", "three", second, "k"),
                     s.record_to("events", "four", stale, "k")}),
        2);
  }
  SUBCASE("and stores it when its version is right") {
    stale.expected_version = 0;
    commit_request commit = s.commit_of({s.record_to("events", "two", stale, "k")});
    commit.timers = {{"o", "t"}};
    const commit_result done = s.commit(commit);
    CHECK_FALSE(done.why);
    CHECK_FALSE(done.appends.at(0).duplicate);
    CHECK(s.values("events") == texts{"two"});
  }
  CHECK(s.findings() == "");
}

TEST_CASE("a message id is known from the moment its record is set") {
  timer_scene s;
  const append_conditions conditions{.message_id = "m", .due = {.after = seconds(10)}};
  CHECK_FALSE(s.set("one", conditions).duplicate);
  const append_result repeat = s.set("one again", conditions);
  CHECK(repeat.duplicate);
  CHECK_FALSE(repeat.base_offset);
  CHECK_FALSE(s.set("at once", {.message_id = "m"}).base_offset);
  s.crash();
  s.pass(seconds(11));
  CHECK(s.values("plain") == texts{"one"});
  const append_result fired = s.set("one more", conditions);
  CHECK(fired.duplicate);
  CHECK(fired.base_offset == offset(0));

  append_conditions named{.message_id = "n", .due = {.after = seconds(10)}};
  named.timer_owner = "o", named.timer_name = "t";
  s.set("named", named);
  CHECK_FALSE(s.change({{"o", "t"}}).why);
  CHECK_FALSE(s.set("set anew", named).duplicate);  // a cancelled record is forgotten whole
  CHECK(s.findings() == "");
}

TEST_CASE("a producer's delayed record, sent again, is a duplicate before and after it fires") {
  timer_scene s;
  const auto send = [&] {
    append_request request = request_of(
        "plain", 0, batch_of("x", 1, s.clock.now(), protocol::producer_stamp{producer_id(1), {}, 0}));
    request.conditions =
        std::make_shared<const append_conditions>(append_conditions{.due = {.after = seconds(5)}});
    return s.append(request);
  };
  CHECK_FALSE(send().duplicate);
  CHECK(send().duplicate);
  s.pass(seconds(6));
  CHECK(send().duplicate);
  s.pass(seconds(6));
  CHECK(s.values("plain") == texts{"x"});
}

TEST_CASE("an expected version is judged when the record is set; its own version comes when it fires") {
  timer_scene s;
  REQUIRE_FALSE(s.create("events", {.index = topic_index::key}));
  const auto set = [&](std::optional<std::uint64_t> version, due_time due) {
    return s.append(s.record_to("events", "v", {.expected_version = version, .due = due}, "k"));
  };
  CHECK_FALSE(set(0, {.after = seconds(5)}).why);
  CHECK_FALSE(set(0, {}).why);
  CHECK(set(0, {.after = seconds(5)}).why.code == errc::version_conflict);
  s.pass(seconds(6));
  const key_plan found = s.shard_->plan_key(s.ref("events"), "k", 1, 10);
  REQUIRE(found.records.size() == 2);
  CHECK(found.version == 2);
  CHECK(s.findings() == "");
}

TEST_CASE("records that wait count for the size limit of their partition") {
  timer_scene s;
  s.alter("plain", {.bytes_max = 1'000});
  const std::string text(600, 'x');
  CHECK_FALSE(s.set(text, {.due = {.after = seconds(5)}}).why);
  CHECK(s.set(text, {}).why.code == errc::topic_full);
  s.pass(seconds(6));
  CHECK(s.values("plain").size() == 1);
}

TEST_CASE("retention by age counts from when a record was appended") {
  timer_scene s;
  s.alter("plain", {.retention_ms = 60'000});
  s.set("later", {.due = {.after = minutes(10)}});
  s.pass(minutes(10) + seconds(30));
  CHECK(s.values("plain") == texts{"later"});
  s.pass(seconds(40));
  CHECK(s.values("plain").empty());
}

TEST_CASE("segments are emptied around records that wait") {
  timer_scene s;
  REQUIRE_FALSE(s.create("drop"));
  for (int i = 0; i < 300; ++i) {
    s.append("drop", 0, std::string(4'000, 'x'));
    if (i % 10 == 0) s.set_named("o", std::to_string(i), minutes(60) + seconds(i), std::to_string(i));
  }
  const auto segments = [&] { return s.shard_->stats().journal.segments; };
  const std::uint32_t before = segments();
  REQUIRE_FALSE(s.remove("drop"));
  for (int i = 0; i < 60; ++i) s.pass(seconds(2));
  CHECK(before > 15);
  CHECK(segments() <= 4);
  CHECK(s.listed("o").size() == 30);
  s.crash();
  s.pass(minutes(70));
  texts wanted;
  for (int i = 0; i < 300; i += 10) wanted.push_back(std::to_string(i));
  CHECK(s.values("plain") == wanted);
  CHECK(s.fatal.empty());
  CHECK(s.findings() == "");
}

TEST_CASE("deleting a topic drops its timers, and their space comes back") {
  timer_scene s;
  REQUIRE_FALSE(s.create("doomed", {.partitions = 3}));
  for (int i = 0; i < 900; ++i) {
    append_conditions conditions{.message_id = "m" + std::to_string(i), .due = {.after = minutes(i + 1)}};
    conditions.timer_owner = "o", conditions.timer_name = std::to_string(i);
    append_request request = s.record_to(i % 9 == 0 ? "plain" : "doomed", "x", conditions);
    if (i % 9 != 0) request.partition = partition_id(static_cast<std::uint32_t>(i) % 3);
    REQUIRE_FALSE(s.append(request).why);
  }
  REQUIRE_FALSE(s.remove("doomed"));
  CHECK(s.listed("o").size() == 100);
  CHECK(s.change({{"o", "1"}}).why.code == errc::unknown_timer);
  // A name of a dropped timer can be used at once.
  CHECK_FALSE(s.set_named("o", "1", minutes(1), "reused").why);
  SUBCASE("after they were cleared away") {
    s.pass(seconds(70));
  }
  SUBCASE("also when they come due before that") {
    s.clock.advance(hours(24));
  }
  SUBCASE("across a crash") {
    s.crash();
  }
  s.pass(hours(24));
  CHECK(s.values("plain").size() == 101);
  CHECK(s.listed("o").empty());
  CHECK(s.store.of(state::table_id::timers).empty());
  CHECK(s.store.of(state::table_id::timer_names).empty());
  CHECK(s.store.of(state::table_id::message_ids).size() == 100);
  CHECK(s.findings() == "");
}

TEST_CASE("many timers due at once are fired in slices, between which others have their turn") {
  timer_scene s;
  constexpr std::size_t many = 20'000;
  std::vector<append_request> batches;
  for (std::size_t i = 0; i < many; ++i)
    batches.push_back(s.record_to("plain", std::to_string(i), {.due = {.after = seconds(1)}}));
  s.shard_->append(std::move(batches), durability::disk, [](const auto&) {});
  s.settle();
  s.clock.advance(seconds(2));
  s.runs.pass(seconds(2));
  std::uint64_t largest = 0;
  std::uint64_t end = 0;
  for (int turns = 0; end < many && turns < 1'000'000; ++turns) {
    s.worker.run_one();
    s.shard_->step_journal();
    s.runs.run_one();
    largest = std::max(largest, s.info("plain").end.value() - end);
    end = s.info("plain").end.value();
  }
  CHECK(end == many);
  CHECK(largest <= 512);
  const texts read = s.values("plain");
  REQUIRE(read.size() == many);
  for (std::size_t i = 0; i < many; ++i) REQUIRE(read[i] == std::to_string(i));
}

TEST_CASE("whenever the power fails, what was set is appended once, and what was not is not half there") {
  for (int operation = 0; operation < 40; ++operation) {
    CAPTURE(operation);
    timer_scene s;
    texts acknowledged;
    s.disk.lose_power_after(static_cast<std::uint64_t>(operation));
    const auto set = [&](const std::string& text, milliseconds delay) {
      std::vector<append_request> one;
      one.push_back(
          s.record_to("plain", text, {.due = {.after = delay}, .timer_owner = "o", .timer_name = text}));
      s.shard_->append(std::move(one), durability::disk, [&acknowledged, text](const auto& results) {
        if (!results.at(0).why) acknowledged.push_back(text);
      });
    };
    set("b", seconds(2));
    s.settle();
    set("a", seconds(1));
    s.settle();
    s.pass(seconds(1));
    set("c", seconds(2));
    s.settle();
    s.pass(seconds(2));
    s.crash();
    s.pass(seconds(10));
    const texts read = s.values("plain");
    for (const std::string& text : acknowledged)
      CHECK_MESSAGE(std::count(read.begin(), read.end(), text) == 1, text << " was acknowledged");
    CHECK(std::is_sorted(read.begin(), read.end()));
    CHECK(std::set<std::string>(read.begin(), read.end()).size() == read.size());
    CHECK(s.listed("").empty());
    CHECK(s.fatal.empty());
    CHECK(s.findings() == "");
  }
}

TEST_CASE("times and names that make no sense are refused") {
  timer_scene s;
  const auto code = [&](append_conditions conditions) {
    return s.append(s.record_to("plain", "x", std::move(conditions))).why.code;
  };
  CHECK(code({.due = {.at = s.clock.now(), .after = seconds(1)}}) == errc::invalid_request);
  CHECK(code({.due = {.at = timestamp(milliseconds(-1))}}) == errc::invalid_request);
  CHECK(code({.due = {.after = milliseconds(-1)}}) == errc::invalid_request);
  CHECK(code({.due = {.after = milliseconds::max()}}) == errc::invalid_request);
  CHECK(code({.timer_owner = "o", .timer_name = "n"}) == errc::invalid_request);
  CHECK(code({.due = {.after = seconds(1)}, .timer_owner = "o"}) == errc::invalid_request);
  CHECK(code({.due = {.after = seconds(1)},
              .timer_owner = std::string(200, 'o'),
              .timer_name = std::string(41, 'n')}) == errc::invalid_request);
  CHECK(code({.ttl = milliseconds(0)}) == errc::invalid_request);
  append_request two = request_of("plain", 0, batch_of("x", 2, s.clock.now()));
  two.conditions = std::make_shared<const append_conditions>(append_conditions{.due = {.after = seconds(1)}});
  CHECK(s.append(two).why.code == errc::invalid_request);
  CHECK(s.change({{"o", ""}}).why.code == errc::invalid_request);
  CHECK(s.change({{"o", "n", {.after = milliseconds(-1)}}}).refused.what == part::timer);
}

}  // namespace skald::shard::testing
