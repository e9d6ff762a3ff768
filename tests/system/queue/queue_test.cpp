// Queues as programs use them: a real broker, blocking clients.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <skald/skald.hpp>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {
namespace {

struct scene {
  scratch_directory scratch;
  skaldd_process broker{SKALDD_PROGRAM, scratch.path() / "data"};
  blocking_client client{{.address = broker.address(), .reconnect_delay_min = milliseconds(5)}};

  explicit scene(std::uint32_t partitions = 1, queue_settings settings = {}) {
    client.create_topic("orders", {.partitions = partitions});
    client.create_queue("orders", "billing", settings);
  }
  void publish(int from, int to) {
    blocking_producer producer(client);
    for (int i = from; i < to; ++i) {
      const std::string text = std::to_string(i);
      producer.send("orders", {.key = text, .value = text});
    }
    producer.flush();
  }
  blocking_queue open(std::uint32_t prefetch = 64) {
    return client.open_queue("orders", "billing", {.prefetch = prefetch});
  }
  template <class Condition>
  bool eventually(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < deadline) {
      if (holds(client.describe_queue("orders", "billing"))) return true;
      std::this_thread::yield();
    }
    return false;
  }
};

int number_of(const record& of) {
  return std::stoi(std::string(of.value().value()));
}

deliveries next(blocking_queue& from) {
  auto some = from.receive_for(patience);
  REQUIRE(some.has_value());
  return *some;
}

errc failure_of_flush(blocking_queue& of) {
  try {
    of.flush();
    return errc::ok;
  } catch (const error& failed) {
    return static_cast<errc>(failed.code().value());
  }
}

std::map<std::string, std::string> headers_of(const record& of) {
  std::map<std::string, std::string> all;
  for (const header& one : of.headers()) all.emplace(one.key, one.value.value_or(""));
  return all;
}

}  // namespace

TEST_CASE("Consumers share the records of a queue, and what they acknowledge never comes again") {
  scene at(4);
  blocking_queue one = at.open(10);
  blocking_queue two = at.open(10);
  at.publish(0, 1000);

  std::multiset<int> seen;
  int by_one = 0;
  while (seen.size() < 1000) {
    for (blocking_queue* each : {&one, &two}) {
      const auto some = each->receive_for(milliseconds(20));
      if (!some) continue;
      for (const delivery& record : *some) {
        CHECK(record.attempt() == 1);
        seen.insert(number_of(record));
        by_one += each == &one;
      }
      each->ack(*some);
    }
  }
  one.flush();
  two.flush();

  CHECK(std::set<int>(seen.begin(), seen.end()).size() == 1000);
  CHECK(by_one > 0);
  CHECK(by_one < 1000);
  const queue_info queue = at.client.describe_queue("orders", "billing");
  CHECK(queue.ready == 0);
  CHECK(queue.leased == 0);
  at.broker.kill();
  at.broker.start();
  CHECK(at.client.describe_queue("orders", "billing").ready == 0);
  CHECK_FALSE(at.open().receive_for(milliseconds(100)));
}

// In both kinds of queues: of a compacted topic only what is left is handed out, and the gaps are settled,
// too.
TEST_CASE("A queue of a compacted topic hands out what compaction has left, and is done then") {
  for (const bool ordered : {false, true}) {
    CAPTURE(ordered);
    scene at;
    at.client.create_topic("table", {.index = topic_index::key, .cleanup = topic_cleanup::compact});
    for (int i = 0; i < 60; ++i) {
      const std::string key = std::to_string(i % 7);
      at.client.publish("table", {.key = key, .value = std::to_string(i)});
    }
    const auto left = [&] {
      std::set<int> numbers;
      for (offset from(0); from < offset(60);) {
        const records some = at.client.fetch("table", partition_id(0), from);
        for (const record& one : some) numbers.insert(number_of(one));
        from = some.end_offset();
      }
      return numbers;
    };
    REQUIRE(at.eventually([&](const queue_info&) { return left().size() == 7; }));
    at.client.create_queue("table", "work", {.ordered_by_key = ordered});
    blocking_queue queue = at.client.open_queue("table", "work");
    std::set<int> seen;
    while (seen.size() < 7) {
      const deliveries some = next(queue);
      for (const delivery& each : some) CHECK(seen.insert(number_of(each)).second);
      queue.ack(some);
    }
    queue.flush();
    CHECK(seen == std::set<int>{53, 54, 55, 56, 57, 58, 59});
    CHECK(at.eventually([&](const queue_info&) {
      const queue_info is = at.client.describe_queue("table", "work");
      return is.ready == 0 && is.leased == 0 && is.partitions.front().floor == offset(60);
    }));
  }
}

TEST_CASE("A record settled twice, or after its lease ran out, is an unknown lease") {
  scene at(1, {.lease = milliseconds(200)});
  at.publish(0, 2);
  blocking_queue one = at.open(1);
  const deliveries first = next(one);
  REQUIRE(first.size() == 1);

  one.ack(first);
  CHECK(failure_of_flush(one) == errc::ok);
  one.ack(first);
  CHECK(failure_of_flush(one) == errc::unknown_lease);

  const deliveries second = next(one);
  blocking_queue two = at.open(1);
  const deliveries again = next(two);
  CHECK(number_of(again[0]) == number_of(second[0]));
  CHECK(again[0].attempt() == 2);
  one.ack(second);
  CHECK(failure_of_flush(one) == errc::unknown_lease);
  two.ack(again);
  CHECK(failure_of_flush(two) == errc::ok);
}

TEST_CASE("A record is settled with the queue that it was received from, and no other") {
  scene at;
  at.client.create_queue("orders", "mail");
  at.publish(0, 1);
  blocking_queue billing = at.open();
  blocking_queue mail = at.client.open_queue("orders", "mail");
  const deliveries bill = next(billing);
  const deliveries letter = next(mail);
  mail.ack(bill);
  CHECK(failure_of_flush(mail) == errc::unknown_lease);
  CHECK(at.client.describe_queue("orders", "mail").leased == 1);
  mail.ack(letter);
  CHECK(failure_of_flush(mail) == errc::ok);
  billing.ack(bill);
  CHECK(failure_of_flush(billing) == errc::ok);
}

TEST_CASE("An extended lease does not run out meanwhile") {
  scene at(1, {.lease = milliseconds(150)});
  at.publish(0, 1);
  blocking_queue one = at.open(1);
  const deliveries held = next(one);
  one.extend(held[0], std::chrono::minutes(1));
  one.flush();
  blocking_queue two = at.open(1);
  CHECK_FALSE(two.receive_for(milliseconds(400)));
  one.ack(held);
  CHECK(failure_of_flush(one) == errc::ok);
}

TEST_CASE("A poison record ends among the dead letters, with its story, and can be put back") {
  scene at(2, {.max_attempts = 2});
  at.client.publish("orders", {.key = "k", .value = "7", .partition = partition_id(1)});
  blocking_queue work = at.open();
  for (std::uint32_t attempt = 1; attempt <= 2; ++attempt) {
    const deliveries some = next(work);
    CHECK(some[0].attempt() == attempt);
    work.nack(some[0], milliseconds(0), "cannot bill that");
  }
  work.flush();
  REQUIRE(at.eventually([](const queue_info& queue) { return queue.dead == 1; }));
  const queue_info queue = at.client.describe_queue("orders", "billing");
  CHECK(queue.ready == 0);
  CHECK(queue.dead_letter == "orders.billing.dead");

  const peeked_records dead = at.client.peek_queue("orders.billing.dead", "dead", partition_id(1));
  REQUIRE(dead.records.size() == 1);
  const auto headers = headers_of(dead.records[0].record);
  CHECK(headers.at("skald-dead-reason") == "cannot bill that");
  CHECK(headers.at("skald-dead-topic") == "orders");
  CHECK(headers.at("skald-dead-partition") == "1");
  CHECK(headers.at("skald-dead-offset") == "0");
  CHECK(headers.at("skald-dead-attempts") == "2");
  CHECK(headers.at("skald-dead-queue") == "billing");
  CHECK(dead.records[0].record.key() == "k");

  const offset letter = dead.records[0].record.offset();
  CHECK(at.client.retry_dead("orders", "billing", partition_id(1), {&letter, 1}) == 1);
  CHECK(at.client.retry_dead("orders", "billing", partition_id(1), {&letter, 1}) == 0);
  CHECK(at.client.describe_queue("orders", "billing").dead == 0);
  const deliveries back = next(work);
  CHECK(back[0].attempt() == 1);
  CHECK(back[0].value() == "7");
  CHECK(headers_of(back[0]).empty());
}

TEST_CASE("A rejected record is dead at once, and can be dropped") {
  scene at;
  at.publish(0, 1);
  blocking_queue work = at.open();
  work.reject(next(work)[0], "not an order");
  work.flush();
  CHECK(at.client.describe_queue("orders", "billing").dead == 1);
  const offset letter(0);
  CHECK(at.client.drop_dead("orders", "billing", partition_id(0), {&letter, 1}) == 1);
  CHECK(at.client.describe_queue("orders", "billing").dead == 0);
}

TEST_CASE("A record as large as its topic takes has room among the dead letters, with its story") {
  scene at;
  at.client.alter_topic("orders", {.record_bytes_max = 2'000, .batch_bytes_max = 2'100});
  at.client.publish("orders", {.value = std::string(2'000, 'x')});
  blocking_queue work = at.open();
  work.reject(next(work)[0], std::string(1'000, 'r'));
  CHECK(failure_of_flush(work) == errc::ok);
  CHECK(at.client.describe_queue("orders", "billing").dead == 1);
}

TEST_CASE("Of records that die together, those that retention has left become dead letters") {
  scene at(1, {.lease = std::chrono::seconds(3), .max_attempts = 1});
  for (int i = 0; i < 10; ++i) at.client.publish("orders", {.value = std::string(1'000, 'x')});
  blocking_queue work = at.open();
  std::size_t held = 0;
  while (held < 10) held += next(work).size();
  at.client.alter_topic("orders", {.retention_bytes = 5'500});
  const auto first = [&] { return at.client.describe_topic("orders").partitions.at(0).log_start; };
  REQUIRE(at.eventually([&](const queue_info&) { return first() > offset(0); }));
  REQUIRE(first() < offset(10));
  const std::uint64_t left = offset(10) - first();
  CHECK(at.eventually([&](const queue_info& queue) { return queue.dead == left; }));
}

TEST_CASE("What is parked is shown, made due by a retry, and gone after a purge") {
  scene at;
  at.publish(0, 3);
  blocking_queue work = at.open(1);
  const deliveries first = next(work);
  work.nack(first[0], std::chrono::hours(1), "later");
  work.flush();
  CHECK(at.client.describe_queue("orders", "billing").parked == 1);
  const peeked_records seen = at.client.peek_queue("orders", "billing", partition_id(0));
  REQUIRE(seen.records.size() == 3);
  CHECK(seen.records[0].due.has_value());
  CHECK(seen.records[0].attempts == 1);
  CHECK(seen.records[0].reason == "later");
  CHECK_FALSE(seen.records[1].due.has_value());

  CHECK(at.client.retry_queue("orders", "billing") == 1);
  CHECK(at.eventually([](const queue_info& queue) { return queue.parked == 0; }));
  std::map<int, std::uint32_t> attempts;
  while (attempts.size() < 3) {
    const deliveries some = next(work);
    for (const delivery& one : some) attempts[number_of(one)] = one.attempt();
    if (attempts.size() < 3) work.ack(some);
  }
  CHECK(attempts[0] == 2);
  work.flush();

  CHECK(at.client.purge_queue("orders", "billing", {.dry_run = true}) == 1);
  CHECK(at.client.purge_queue("orders", "billing") == 1);
  CHECK(at.client.describe_queue("orders", "billing").ready == 0);
}

TEST_CASE("Records of a key come one after the other, other keys meanwhile") {
  scene at(1, {.ordered_by_key = true});
  for (const char* text : {"1", "2", "3"}) at.client.publish("orders", {.key = "a", .value = text});
  at.client.publish("orders", {.key = "b", .value = "9"});
  blocking_queue one = at.open();
  deliveries some = next(one);
  while (some.size() < 2)
    for (const delivery& each : next(one)) some.push_back(each);
  REQUIRE(some.size() == 2);
  CHECK(number_of(some[0]) == 1);
  CHECK(number_of(some[1]) == 9);
  one.ack(some);
  const deliveries second = next(one);
  CHECK(number_of(second.at(0)) == 2);
  CHECK(second.size() == 1);
  one.ack(second);
  CHECK(number_of(next(one).at(0)) == 3);
}

TEST_CASE("A queue that is deleted, or whose topic is, ends its consumers and says why") {
  scene at;
  blocking_queue work = at.open();
  at.client.delete_queue("orders", "billing");
  CHECK_THROWS_WITH_AS(work.receive_for(patience), doctest::Contains("deleted"), error);
  CHECK_THROWS_AS(at.open(), error);
  blocking_queue made = at.client.open_queue("orders", "billing", {.create = true});
  at.client.delete_topic("orders");
  CHECK_THROWS_AS(made.receive_for(patience), error);
}

TEST_CASE("Large records go out a few at a time, and all arrive") {
  scene at;
  const std::string large(300'000, 'x');
  for (int i = 0; i < 40; ++i) at.client.publish("orders", {.value = large});
  blocking_queue work = at.open(1000);
  std::size_t seen = 0;
  while (seen < 40) {
    const deliveries some = next(work);
    for (const delivery& one : some) CHECK(one.value()->size() == large.size());
    seen += some.size();
    work.ack(some);
  }
  work.flush();
  CHECK(at.client.describe_queue("orders", "billing").ready == 0);
}

TEST_CASE("Queues are listed in order, by topic") {
  scene at;
  at.client.create_topic("mail");
  at.client.create_queue("mail", "out");
  at.client.create_queue("orders", "audit", {}, {.only_new_records = true});
  std::vector<std::string> names;
  for (const queue_info& one : at.client.list_queues()) names.push_back(one.topic + "/" + one.queue);
  CHECK(names == std::vector<std::string>{"mail/out", "orders/audit", "orders/billing"});
  CHECK(at.client.list_queues("mail").size() == 1);
  CHECK_THROWS_AS(at.client.create_queue("orders", "audit"), error);
  CHECK_THROWS_AS(at.client.create_queue("nowhere", "audit"), error);
}

}  // namespace skald::tests
