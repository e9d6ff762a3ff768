#include "broker/delivery/queue_dispatcher.hpp"

#include <doctest/doctest.h>

#include "tests/broker/delivery/queue_scene.hpp"

namespace skald::delivery::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("A consumer is given what it has room for, and the rest as it settles") {
  queue_scene at;
  at.queue->add_consumer(at.id(1), 4);
  at.feed(10);

  const auto first = at.dispatch();
  CHECK(text_of(first) == "1:0-4*1");
  CHECK(at.dispatch().empty());
  CHECK(at.settle(first[0], settlement::ack, 0, 2));

  CHECK(text_of(at.dispatch()) == "1:4-6*1");
}

TEST_CASE("What is there is shared among consumers, and their turns go on") {
  queue_scene at;
  for (std::uint64_t consumer : {1, 2, 3}) at.queue->add_consumer(at.id(consumer), 100);
  at.feed(6);
  CHECK(text_of(at.dispatch()) == "1:0-2*1 2:2-4*1 3:4-5*1 1:5-6*1");
  at.feed(7);
  CHECK(text_of(at.dispatch()) == "2:6-7*1");
  at.feed(8);
  CHECK(text_of(at.dispatch()) == "3:7-8*1");
}

TEST_CASE("A paused consumer is given nothing until it goes on") {
  queue_scene at;
  at.queue->add_consumer(at.id(1), 4);
  at.queue->pause(at.id(1), true);
  at.feed(2);
  CHECK(at.dispatch().empty());
  at.queue->pause(at.id(1), false);
  CHECK(text_of(at.dispatch()) == "1:0-2*1");
}

TEST_CASE("Partitions take turns") {
  queue_scene at({}, 2, {.run_records = 2});
  at.queue->add_consumer(at.id(1), 100);
  at.feed(4, 0);
  at.feed(4, 1);
  const auto runs = at.dispatch();
  REQUIRE(runs.size() == 4);
  CHECK(runs[0].partition == partition_id(0));
  CHECK(runs[1].partition == partition_id(1));
  CHECK(runs[2].partition == partition_id(0));
}

TEST_CASE("Only who holds a lease can settle, what it covers, once") {
  queue_scene at({}, 1, {.run_records = 2});
  at.queue->add_consumer(at.id(1), 4);
  at.queue->add_consumer(at.id(2), 4);
  at.feed(8);
  const auto runs = at.dispatch();
  REQUIRE(text_of(runs) == "1:0-2*1 2:2-4*1 1:4-6*1 2:6-8*1");
  const auto settle = [&](std::uint64_t consumer, lease_id lease, std::uint64_t first, std::uint64_t end) {
    return at.queue->settle(at.id(consumer), {lease, offset(first), offset(end)}, settlement::ack, {}, "",
                            at.now, at.verdicts);
  };
  CHECK_FALSE(settle(2, runs[0].lease, 0, 1));  // another's
  CHECK_FALSE(settle(1, lease_id(77), 0, 1));   // never given
  CHECK_FALSE(settle(1, runs[0].lease, 1, 3));  // more than it covers
  CHECK_FALSE(settle(1, runs[0].lease, 1, 1));  // nothing
  CHECK(settle(1, runs[0].lease, 1, 2));
  CHECK_FALSE(settle(1, runs[0].lease, 0, 2));  // a part of it is settled
  CHECK(settle(1, runs[0].lease, 0, 1));
  CHECK_FALSE(settle(1, runs[0].lease, 0, 1));  // all of it
  CHECK(at.verdicts.size() == 2);
}

TEST_CASE("A lease that runs out counts as an attempt, and its records go to others") {
  queue_scene at({.lease = seconds(10)});
  at.queue->add_consumer(at.id(1), 4);
  at.feed(4);
  const auto runs = at.dispatch();
  CHECK(at.settle(runs[0], settlement::ack, 0, 1));
  at.commit();
  at.queue->add_consumer(at.id(2), 10);

  at.pass(seconds(9));
  CHECK(at.verdicts.empty());
  CHECK(at.queue->next_event() == at.now + seconds(1));
  at.pass(seconds(1));
  CHECK(at.dispatch().empty());  // not before the attempt is durable
  at.commit();

  CHECK_FALSE(at.settle(runs[0], settlement::ack, 1, 2));
  CHECK(text_of(at.dispatch()) == "1:1-3*2 2:3-4*2");
  CHECK(at.history.records.at({0, 1}).reason == "the lease ran out");
}

TEST_CASE("A lease is extended for the records named, and no others") {
  queue_scene at({.lease = seconds(10)});
  at.queue->add_consumer(at.id(1), 4);
  at.feed(4);
  const auto run = at.dispatch().at(0);
  CHECK(at.queue->extend(run.to, {run.lease, offset(1), offset(3)}, at.now + seconds(60)));
  CHECK_FALSE(at.queue->extend(at.id(2), {run.lease, offset(1), offset(3)}, at.now + seconds(60)));

  at.pass(seconds(10));
  REQUIRE(at.verdicts.size() == 2);
  CHECK(at.verdicts[0].first == offset(0));
  CHECK(at.verdicts[1].first == offset(3));
  at.pass(seconds(49));
  CHECK(at.verdicts.size() == 2);
  CHECK(at.settle(run, settlement::ack, 1, 3));
}

TEST_CASE("A lease that is extended again and again costs no more memory each time") {
  queue_scene at;
  at.queue->add_consumer(at.id(1), 1);
  at.feed(1);
  const auto run = at.dispatch().at(0);
  const lease_ref all{run.lease, offset(0), offset(1)};
  for (int i = 0; i < 100'000; ++i)
    REQUIRE(at.queue->extend(at.id(1), all, at.now + seconds(3600) + moment(i)));
  CHECK(at.queue->count().deadlines < 2'000);
  at.pass(seconds(3600) + moment(99'998));
  CHECK(at.verdicts.empty());
  at.pass(moment(1));
  CHECK(at.verdicts.size() == 1);
}

TEST_CASE("A failed record comes back after a delay that doubles up to a limit, or the delay asked for") {
  queue_scene at({.backoff_min = seconds(1), .backoff_max = seconds(3)});
  at.queue->add_consumer(at.id(1), 4);
  at.feed(1);
  for (const auto& delay : {seconds(1), seconds(2), seconds(3), seconds(3)}) {
    const auto runs = at.dispatch();
    REQUIRE(runs.size() == 1);
    CHECK(at.settle(runs[0], settlement::nack));
    at.commit();
    at.pass(delay - milliseconds(1));
    CHECK(at.dispatch().empty());
    at.pass(milliseconds(1));
  }
  CHECK(at.settle(at.dispatch().at(0), settlement::nack, seconds(60)));
  at.commit();
  at.pass(seconds(60) - milliseconds(1));
  CHECK(at.dispatch().empty());
  at.pass(milliseconds(1));
  CHECK(text_of(at.dispatch()) == "1:0-1*6");
}

TEST_CASE("After its last attempt, or when it is rejected, a record is dead") {
  queue_scene at({.max_attempts = 2});
  at.queue->add_consumer(at.id(1), 1);
  at.feed(2);
  CHECK(at.settle(at.dispatch().at(0), settlement::nack, milliseconds(0)));
  at.commit();
  CHECK(at.settle(at.dispatch().at(0), settlement::nack, milliseconds(0)));
  REQUIRE(at.verdicts.size() == 1);
  CHECK(at.verdicts[0].is == verdict::kind::dead);
  CHECK(at.verdicts[0].attempts == 2);
  CHECK(at.verdicts[0].reason == "no luck");
  at.commit();

  const auto next = at.dispatch();
  CHECK(text_of(next) == "1:1-2*1");
  CHECK(at.settle(next[0], settlement::reject));
  CHECK(at.verdicts.at(0).is == verdict::kind::dead);
}

TEST_CASE("What a consumer leaves behind is ready at once; whether it counts is said") {
  queue_scene at;
  at.queue->add_consumer(at.id(1), 2);
  at.feed(2);
  at.dispatch();
  at.queue->remove_consumer(at.id(1), false, "", at.now, at.verdicts);
  CHECK(at.verdicts.empty());
  at.queue->add_consumer(at.id(2), 2);
  CHECK(text_of(at.dispatch()) == "2:0-2*1");
  at.queue->remove_consumer(at.id(2), true, "its connection closed", at.now, at.verdicts);
  at.commit();
  at.queue->add_consumer(at.id(3), 2);
  CHECK(text_of(at.dispatch()) == "3:0-2*2");
}

TEST_CASE("A verdict that could not be made durable leaves the record as if it had not been leased") {
  queue_scene at;
  at.queue->add_consumer(at.id(1), 1);
  at.feed(1);
  CHECK(at.settle(at.dispatch().at(0), settlement::ack));
  at.queue->undone(at.verdicts.at(0), at.now, seconds(1));
  CHECK(at.dispatch().empty());
  at.pass(seconds(1));
  CHECK(text_of(at.dispatch()) == "1:0-1*1");
}

TEST_CASE("After a restart what is settled stays settled, and attempts and parking are remembered") {
  queue_scene at;
  at.queue->add_consumer(at.id(1), 8);
  at.feed(8);
  const auto run = at.dispatch().at(0);
  CHECK(at.settle(run, settlement::ack, 2, 4));
  CHECK(at.settle(run, settlement::nack, 5, 6, seconds(5)));
  CHECK(at.settle(run, settlement::nack, 6, 7, seconds(0)));
  at.commit();

  at.restart();
  at.queue->add_consumer(at.id(2), 8);
  at.feed(8);
  CHECK(text_of(at.dispatch()) == "2:0-2*1 2:4-5*1 2:6-7*2 2:7-8*1");
  at.pass(seconds(5));
  CHECK(text_of(at.dispatch()) == "2:5-6*2");
}

TEST_CASE("Reading begins behind what is settled") {
  queue_scene at;
  at.history.records[{0, 0}].settled = at.history.records[{0, 1}].settled = true;
  CHECK(at.queue->read_from(partition_id(0)) == offset(2));
}

TEST_CASE("Parked records beyond the limit are fetched from the history when they come near") {
  queue_scene at({}, 1, {.parked_records = 4});
  at.queue->add_consumer(at.id(1), 100);
  at.feed(50);
  for (const leased_run& run : at.dispatch())
    for (std::uint64_t i = run.first.value(); i < run.first.value() + run.count; ++i)
      CHECK(at.settle(run, settlement::nack, i, i + 1, seconds(1 + (i * 7) % 50)));
  at.commit();

  std::vector<std::uint64_t> seen;
  for (int second = 0; second < 60; ++second) {
    at.pass(seconds(1));
    for (const leased_run& run : at.dispatch()) {
      CHECK(run.attempt == 2);
      for (std::uint64_t i = 0; i < run.count; ++i) {
        seen.push_back(run.first.value() + i);
        CHECK(1 + (seen.back() * 7) % 50 == static_cast<std::uint64_t>(second + 1));
      }
      CHECK(at.settle(run, settlement::ack));
    }
    at.commit();
  }
  std::sort(seen.begin(), seen.end());
  REQUIRE(seen.size() == 50);
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("Parked records can be made due at once, those in the history only too") {
  queue_scene at({}, 1, {.parked_records = 4});
  at.queue->add_consumer(at.id(1), 100);
  at.feed(20);
  CHECK(at.settle(at.dispatch().at(0), settlement::nack, 0, 20, seconds(60)));
  // Each on its own, so that there are more than fit.
  auto whole = at.verdicts.at(0);
  at.verdicts.clear();
  for (std::uint64_t i = 0; i < 20; ++i) {
    whole.first = offset(i);
    whole.end = offset(i + 1);
    at.verdicts.push_back(whole);
  }
  at.commit();

  at.queue->begin_unpark();
  for (auto& [place, record] : at.history.records) record.due = at.now + milliseconds(1);
  at.queue->end_unpark(at.now + milliseconds(1));
  CHECK(at.dispatch().empty());
  at.pass(milliseconds(1));
  std::uint64_t records = 0;
  for (const leased_run& run : at.dispatch()) records += run.count;
  CHECK(records == 20);
}

TEST_CASE("Records that are gone are no longer leased, ready, parked or unread") {
  queue_scene at;
  at.queue->add_consumer(at.id(1), 6);
  at.feed(10);
  const auto run = at.dispatch().at(0);
  CHECK(at.settle(run, settlement::nack, 0, 2, seconds(5)));
  CHECK(at.settle(run, settlement::release, 2, 3));
  at.commit();

  at.queue->drop_before(partition_id(0), offset(12));

  CHECK_FALSE(at.settle(run, settlement::ack, 4, 5));
  CHECK(at.queue->read_from(partition_id(0)) == offset(12));
  CHECK(at.queue->count().leased == 0);
  at.pass(seconds(60));
  CHECK(at.dispatch().empty());
  at.feed(13);
  CHECK(text_of(at.dispatch()) == "1:12-13*1");
}

// ---- order by key ----------------------------------------------------------------------------------------

namespace {
struct ordered_scene : queue_scene {
  explicit ordered_scene(queue_dispatcher::limits within = {})
      : queue_scene({.lease = seconds(10), .ordered_by_key = true}, 1, within) {}
  void feed_keys(const std::vector<std::uint64_t>& keys) {
    const partition_id p(0);
    queue->feed(p, queue->read_from(p) + keys.size(), keys);
  }
};
}  // namespace

TEST_CASE("A leased record holds back later ones of its key only") {
  ordered_scene at;
  at.queue->add_consumer(at.id(1), 10);
  at.feed_keys({1, 2, 1, 3, 0, 0});
  const auto runs = at.dispatch();
  CHECK(text_of(runs) == "1:0-2*1 1:3-6*1");
  CHECK(at.settle(runs[0], settlement::ack, 1, 2));
  at.commit();
  CHECK(at.dispatch().empty());
  CHECK(at.settle(runs[0], settlement::ack, 0, 1));
  CHECK(at.dispatch().empty());  // not before the first is settled for good
  at.commit();
  CHECK(text_of(at.dispatch()) == "1:2-3*1");
}

TEST_CASE("A parked record holds back later ones of its key, and comes first when it is due") {
  ordered_scene at;
  at.queue->add_consumer(at.id(1), 10);
  at.feed_keys({1, 1, 2});
  const auto runs = at.dispatch();
  REQUIRE(text_of(runs) == "1:0-1*1 1:2-3*1");
  CHECK(at.settle(runs[0], settlement::nack, seconds(5)));
  at.commit();
  CHECK(at.dispatch().empty());
  at.pass(seconds(5));
  const auto again = at.dispatch();
  CHECK(text_of(again) == "1:0-1*2");
  CHECK(at.settle(again[0], settlement::ack));
  at.commit();
  CHECK(text_of(at.dispatch()) == "1:1-2*1");
}

TEST_CASE("A dead record lets the next of its key go") {
  ordered_scene at;
  at.queue->add_consumer(at.id(1), 10);
  at.feed_keys({1, 1});
  CHECK(at.settle(at.dispatch().at(0), settlement::reject));
  at.commit();
  CHECK(text_of(at.dispatch()) == "1:1-2*1");
}

TEST_CASE("When too many wait for their keys, no more are read until some have gone") {
  ordered_scene at({.waiting_records = 2});
  at.queue->add_consumer(at.id(1), 10);
  at.feed_keys({1, 1, 1, 2});
  const auto first = at.dispatch();
  CHECK(text_of(first) == "1:0-1*1");
  CHECK_FALSE(at.queue->wants_records(partition_id(0)));
  CHECK(at.settle(first[0], settlement::ack));
  at.commit();
  CHECK(text_of(at.dispatch()) == "1:1-2*1 1:3-4*1");
}

TEST_CASE("When too many hold their keys while they are parked, no more are read until some are due") {
  ordered_scene at({.waiting_records = 2});
  at.queue->add_consumer(at.id(1), 10);
  at.feed_keys({1, 2});
  const auto first = at.dispatch();
  REQUIRE(text_of(first) == "1:0-2*1");
  CHECK(at.queue->wants_records(partition_id(0)));  // what is leased holds nobody up
  CHECK(at.settle(first[0], settlement::nack, seconds(5)));
  at.commit();
  CHECK_FALSE(at.queue->wants_records(partition_id(0)));
  at.pass(seconds(5));
  CHECK(text_of(at.dispatch()) == "1:0-2*2");
  CHECK(at.queue->wants_records(partition_id(0)));
}

TEST_CASE("After a restart, order by key holds over what is parked") {
  ordered_scene at;
  at.queue->add_consumer(at.id(1), 10);
  at.feed_keys({1, 1, 2});
  CHECK(at.settle(at.dispatch().at(0), settlement::nack, seconds(5)));
  at.commit();

  at.restart();
  at.queue->add_consumer(at.id(2), 10);
  at.feed_keys({1, 1, 2});
  CHECK(text_of(at.dispatch()) == "2:2-3*1");
  at.pass(seconds(5));
  CHECK(text_of(at.dispatch()) == "2:0-1*2");
}

TEST_CASE("When the holder of a key is gone, the first of those waiting takes it over") {
  ordered_scene at;
  at.queue->add_consumer(at.id(1), 10);
  at.feed_keys({1, 1, 1});
  const auto first = at.dispatch();
  REQUIRE(text_of(first) == "1:0-1*1");
  at.queue->drop_before(partition_id(0), offset(2));
  CHECK(text_of(at.dispatch()) == "1:2-3*1");
}

}  // namespace skald::delivery::testing
