// Leases while commits that acknowledge their records are on their way.
#include <doctest/doctest.h>

#include "tests/broker/delivery/queue_scene.hpp"

namespace skald::delivery::testing {

using std::chrono::seconds;

namespace {

struct commit_scene : queue_scene {
  explicit commit_scene(dispatch_settings with = {}) : queue_scene(with) {
    queue->add_consumer(id(1), 4);
    feed(4);
    run = dispatch().at(0);
  }
  std::optional<set_aside_records> take(std::uint64_t first, std::uint64_t end, std::uint64_t consumer = 1) {
    return queue->set_aside(id(consumer), {run.lease, offset(first), offset(end)});
  }
  leased_run run;
};

}  // namespace

TEST_CASE("Only what a consumer holds is set aside, and only once") {
  commit_scene at;
  CHECK_FALSE(at.take(0, 5));
  CHECK_FALSE(at.take(0, 1, 2));
  REQUIRE(at.take(1, 3));
  CHECK_FALSE(at.take(2, 4));
  CHECK_FALSE(at.settle(at.run, settlement::ack, 1, 2));
  CHECK_FALSE(at.queue->extend(at.id(1), {at.run.lease, offset(1), offset(2)}, at.now + seconds(60)));
  CHECK(at.queue->in_limbo() == 2);
  CHECK(at.settle(at.run, settlement::ack, 0, 1));
}

TEST_CASE("What is acknowledged makes room, and never comes again") {
  commit_scene at;
  const auto taken = at.take(0, 4);
  REQUIRE(taken);
  at.feed(6);
  CHECK(text_of(at.dispatch()) == "1:4-6*1");
  at.queue->acknowledged(*taken, at.now);
  CHECK(at.queue->in_limbo() == 0);
  at.pass(seconds(31));
  CHECK(at.verdicts.size() == 1);  // of the two that were leased later
  CHECK(at.verdicts[0].first == offset(4));
}

TEST_CASE("What is given back is held under the same lease until its old deadline") {
  commit_scene at;
  const auto middle = at.take(1, 3);
  REQUIRE(middle);
  at.queue->give_back(*middle, at.now, at.verdicts);
  CHECK(at.verdicts.empty());
  CHECK(at.queue->count().leased == 4);
  CHECK(at.settle(at.run, settlement::ack, 0, 4));

  commit_scene all;
  const auto whole = all.take(0, 4);
  REQUIRE(whole);
  all.pass(seconds(10));
  all.queue->give_back(*whole, all.now, all.verdicts);
  CHECK(all.dispatch().empty());
  all.pass(seconds(20));
  REQUIRE(all.verdicts.size() == 1);
  CHECK(all.verdicts[0].is == verdict::kind::retry);
  all.commit();
  CHECK(text_of(all.dispatch()) == "1:0-4*2");
}

TEST_CASE("What is given back too late, or to nobody, is tried again") {
  commit_scene late;
  const auto taken = late.take(0, 4);
  late.pass(seconds(31));
  CHECK(late.verdicts.empty());
  late.queue->give_back(*taken, late.now, late.verdicts);
  REQUIRE(late.verdicts.size() == 1);
  CHECK(late.verdicts[0].reason == "the lease ran out");
  late.commit();
  CHECK(text_of(late.dispatch()) == "1:0-4*2");

  commit_scene nobody;
  const auto orphans = nobody.take(0, 2);
  nobody.queue->remove_consumer(nobody.id(1), true, "closed", nobody.now, nobody.verdicts);
  nobody.queue->give_back(*orphans, nobody.now, nobody.verdicts);
  nobody.commit();
  nobody.queue->add_consumer(nobody.id(2), 4);
  CHECK(text_of(nobody.dispatch()) == "2:0-2*2 2:2-4*2");
}

TEST_CASE("Records that are gone by the time they are given back are forgotten") {
  commit_scene at;
  const auto taken = at.take(0, 4);
  at.queue->drop_before(partition_id(0), offset(3));
  at.queue->give_back(*taken, at.now, at.verdicts);
  CHECK(at.queue->in_limbo() == 0);
  CHECK(at.queue->count().leased == 1);
  CHECK_FALSE(at.settle(at.run, settlement::ack, 2, 4));
  CHECK(at.settle(at.run, settlement::ack, 3, 4));
}

TEST_CASE("In an ordered queue the next record of a key waits for the commit") {
  queue_scene at({.ordered_by_key = true});
  at.queue->add_consumer(at.id(1), 10);
  const std::vector<std::uint64_t> keys{5, 5};
  at.queue->feed(partition_id(0), offset(2), keys);
  const auto runs = at.dispatch();
  REQUIRE(text_of(runs) == "1:0-1*1");
  const auto taken = at.queue->set_aside(at.id(1), {runs[0].lease, offset(0), offset(1)});
  REQUIRE(taken);
  CHECK(at.dispatch().empty());
  at.queue->acknowledged(*taken, at.now);
  CHECK(text_of(at.dispatch()) == "1:1-2*1");
}

}  // namespace skald::delivery::testing
