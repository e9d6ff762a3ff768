#include <doctest/doctest.h>

#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

struct counter final : watcher {
  int told = 0;
  std::function<void()> then;
  void on_readable() override {
    ++told;
    if (then) then();
  }
};

}  // namespace

TEST_CASE("a watcher is told once when a record arrives at the offset it awaits") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.partitions = 2}));
  counter next;
  counter later;
  counter other;
  s.shard_->watch(s.ref("t", 0), offset(0), next);
  s.shard_->watch(s.ref("t", 0), offset(5), later);
  s.shard_->watch(s.ref("t", 1), offset(0), other);
  s.append("t", 0, "x", 5);  // offsets 0 to 4
  CHECK(next.told == 1);
  CHECK(later.told == 0);
  s.append("t", 0, "y");
  CHECK(next.told == 1);
  CHECK(later.told == 1);
  CHECK(other.told == 0);
  s.shard_->unwatch(s.ref("t", 1), other);
}

TEST_CASE("what is readable already is told, but not from within watch") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  s.append("t", 0, "x");
  counter here;
  s.shard_->watch(s.ref("t"), offset(0), here);
  CHECK(here.told == 0);
  s.settle();
  CHECK(here.told == 1);
}

TEST_CASE("a watcher that has been removed is not told, even if it was due") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  counter waiting;
  s.shard_->watch(s.ref("t"), offset(0), waiting);
  s.shard_->unwatch(s.ref("t"), waiting);
  s.append("t", 0, "x");
  counter due;
  s.shard_->watch(s.ref("t"), offset(0), due);
  s.shard_->unwatch(s.ref("t"), due);
  s.settle();
  CHECK(waiting.told == 0);
  CHECK(due.told == 0);
}

TEST_CASE("one watcher may remove another that is told at the same time") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  counter first;
  counter second;
  first.then = [&] { s.shard_->unwatch(s.ref("t"), second); };
  s.shard_->watch(s.ref("t"), offset(0), first);
  s.shard_->watch(s.ref("t"), offset(0), second);
  s.append("t", 0, "x");
  CHECK(first.told == 1);
  CHECK(second.told == 0);
}

TEST_CASE("a watcher that watches again while it is told waits for the next record") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  counter again;
  const auto of = s.ref("t");
  again.then = [&] { s.shard_->watch(of, s.info("t").end, again); };
  s.shard_->watch(of, offset(0), again);
  s.append("t", 0, "x");
  CHECK(again.told == 1);
  s.append("t", 0, "y");
  CHECK(again.told == 2);
  s.shard_->unwatch(of, again);
}

TEST_CASE("watchers hear that their topic is gone") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.partitions = 3}));
  const auto of = s.ref("t", 2);
  counter waiting;
  s.shard_->watch(of, offset(0), waiting);
  REQUIRE_FALSE(s.remove("t"));
  CHECK(waiting.told == 1);
  CHECK(s.shard_->plan_read(of, offset(0), 100).why.code == errc::unknown_topic);
  s.shard_->watch(of, offset(0), waiting);  // it will never come: say so
  s.settle();
  CHECK(waiting.told == 2);
}

}  // namespace skald::shard::testing
