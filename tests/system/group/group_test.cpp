// Consumer groups with the real client against the real broker: sharing, moving, reconnecting, restarting,
// and what survives a SIGKILL.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <skald/blocking_client.hpp>

#include "tests/effort.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto patience = 30s;

struct world {
  scratch_directory directory;
  skaldd_process broker{SKALDD_PROGRAM, directory.path() / "data"};
  const std::string address_ = broker.address();
  blocking_client admin = client();

  blocking_client client() const {
    return blocking_client({.address = address_,
                            .timeout = 20s,
                            .reconnect_delay_min = milliseconds(5),
                            .reconnect_delay_max = milliseconds(50)});
  }

  void publish(const std::string& topic, int from, int to) {
    blocking_producer producer(admin);
    for (int i = from; i < to; ++i) {
      const std::string value = std::to_string(i);
      producer.send(topic, {.key = value, .value = value});
    }
    producer.flush();
  }
  // Positions by (topic, partition).
  std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> positions(const std::string& group) {
    std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> all;
    for (const group_partition& one : admin.describe_group(group).partitions) {
      if (one.position) all[{one.topic, one.partition.value()}] = one.position->value();
    }
    return all;
  }
  std::uint64_t lag(const std::string& group) {
    std::uint64_t sum = 0;
    for (const group_partition& one : admin.describe_group(group).partitions) sum += one.lag();
    return sum;
  }
  std::size_t members(const std::string& group) {
    try {
      return admin.describe_group(group).members.size();
    } catch (const error&) {
      return 0;
    }
  }
};

void wait_until(const std::function<bool()>& holds) {
  const auto deadline = steady::now() + patience;
  while (!holds()) {
    REQUIRE(steady::now() < deadline);
    std::this_thread::sleep_for(10ms);
  }
}

// Receives until `enough` holds; the values, as numbers.
void receive_until(blocking_subscription& from, std::multiset<int>& into,
                   const std::function<bool()>& enough) {
  const auto deadline = steady::now() + patience;
  while (!enough()) {
    REQUIRE(steady::now() < deadline);
    if (const auto got = from.receive_for(50ms)) {
      for (const record& each : *got) into.insert(std::stoi(std::string(*each.value())));
    }
  }
}

std::multiset<int> numbers(int from, int to) {
  std::multiset<int> all;
  for (int i = from; i < to; ++i) all.insert(i);
  return all;
}

TEST_CASE("a member with a filter gets what matches, commits how far it was, and goes on there") {
  world w;
  w.admin.create_topic("orders.eu", {.partitions = 2});
  const auto publish = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      const std::string key = i % 10 == 0 ? "vip-" + std::to_string(i) : "other";
      w.admin.publish("orders.eu", {.key = key, .value = std::to_string(i)});
    }
  };
  const subscribe_options options{.from = earliest, .filter = {.key_prefix = "vip-"}, .group = "billing"};
  publish(0, 100);
  std::multiset<int> got;
  {
    auto member = w.admin.subscribe("orders.*", options);
    receive_until(member, got, [&] { return got.size() >= 10 && w.lag("billing") == 0; });
    member.close();
  }
  CHECK(got == std::multiset<int>{0, 10, 20, 30, 40, 50, 60, 70, 80, 90});

  // A broker that dies leaves a member where it was, without a record twice.
  got.clear();
  auto member = w.admin.subscribe("orders.*", options);
  publish(100, 120);
  receive_until(member, got, [&] { return got.size() >= 2 && w.lag("billing") == 0; });
  w.broker.kill();
  w.broker.start();
  publish(120, 131);
  receive_until(member, got, [&] { return got.size() >= 4 && w.lag("billing") == 0; });
  CHECK(got == std::multiset<int>{100, 110, 120, 130});
}

TEST_CASE("a group goes over what compaction has taken, and has no lag at its end") {
  world w;
  w.admin.create_topic("table",
                       {.index = topic_index::key, .cleanup = topic_cleanup::compact, .compact_after_ms = 0});
  const auto publish = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      const std::string key = std::to_string(i % 5);
      w.admin.publish("table", {.key = key, .value = std::to_string(i)});
    }
  };
  publish(0, 40);
  const auto left = [&] {
    std::size_t records_left = 0;
    for (offset from(0); from < offset(40);) {
      const records some = w.admin.fetch("table", partition_id(0), from);
      records_left += some.size();
      from = some.end_offset();
    }
    return records_left;
  };
  wait_until([&] { return left() == 5; });
  std::multiset<int> got;
  {
    auto member = w.admin.subscribe("table", {.from = earliest, .group = "billing"});
    receive_until(member, got, [&] { return got.size() >= 5 && w.lag("billing") == 0; });
  }
  CHECK(got == numbers(35, 40));
  w.broker.kill();
  w.broker.start();
  publish(40, 42);
  auto member = w.admin.subscribe("table", {.from = earliest, .group = "billing"});
  receive_until(member, got, [&] { return got.size() >= 7; });
  CHECK(got == numbers(35, 42));
}

TEST_CASE("a subscription with a filter resumes behind what it went through without a match") {
  world w;
  w.admin.create_topic("orders", {.partitions = 1});
  auto following = w.admin.subscribe("orders", {.from = earliest, .filter = {.key = "1000"}});
  w.publish("orders", 0, 500);
  wait_until([&] {
    (void)following.receive_for(50ms);
    return following.positions().front().next == offset(500);
  });
  w.broker.kill();
  w.broker.start();
  w.publish("orders", 500, 1001);
  std::multiset<int> got;
  receive_until(following, got, [&] { return !got.empty(); });
  CHECK(got == std::multiset<int>{1000});
  CHECK(w.admin.fetch("orders", partition_id(0), offset(0), {.wait = 20s, .filter = {.key = "7"}}).size() ==
        1);
  CHECK_THROWS_AS(w.admin.subscribe("orders", {.filter = {.key = "a", .key_prefix = "b"}}), error);
}

TEST_CASE("a group receives everything once, goes on where it was, and shows no lag") {
  world w;
  w.admin.create_topic("orders", {.partitions = 4});
  w.publish("orders", 0, 100);
  std::multiset<int> got;
  {
    auto member = w.admin.subscribe("orders", {.from = earliest, .group = "billing"});
    receive_until(member, got, [&] { return got.size() >= 100; });
    member.close();
  }
  CHECK(got == numbers(0, 100));
  CHECK(w.lag("billing") == 0);
  CHECK(w.members("billing") == 0);
  w.publish("orders", 100, 150);
  CHECK(w.lag("billing") == 50);

  std::multiset<int> rest;
  auto again = w.admin.subscribe("orders", {.from = earliest, .group = "billing"});
  receive_until(again, rest, [&] { return rest.size() >= 50; });
  CHECK(rest == numbers(100, 150));
}

TEST_CASE("what was received and not said to be done is received again") {
  world w;
  w.admin.create_topic("orders");
  w.publish("orders", 0, 10);
  {
    auto member = w.admin.subscribe("orders", {.from = earliest, .group = "billing"});
    CHECK(member.receive().size() == 10);
    // Destroyed without close(), as by an exception.
  }
  auto next = w.admin.subscribe("orders", {.from = earliest, .group = "billing"});
  const records repeated = next.receive();
  CHECK(repeated.begin_offset() == offset(0));
  CHECK(repeated.size() == 10);
}

TEST_CASE("latest means from when the group first was there") {
  world w;
  w.admin.create_topic("orders");
  w.publish("orders", 0, 5);
  {
    auto first = w.admin.subscribe("orders", {.from = latest, .group = "billing"});
    wait_until([&] { return !w.positions("billing").empty(); });
  }
  w.publish("orders", 5, 8);
  auto second = w.admin.subscribe("orders", {.from = latest, .group = "billing"});
  CHECK(second.receive().begin_offset() == offset(5));
}

TEST_CASE("manual commits go by record and by batch, forwards and back, and not past the end") {
  world w;
  w.admin.create_topic("orders");
  w.publish("orders", 0, 10);
  auto member = w.admin.subscribe("orders", {.from = earliest, .group = "billing", .commit = manual});
  const records batch = member.receive();
  REQUIRE(batch.size() == 10);
  CHECK(w.positions("billing").empty());
  for (const record& each : batch) {
    if (each.offset() == offset(3)) member.commit(each);
  }
  CHECK(w.positions("billing")[{"orders", 0}] == 4);
  member.commit(batch);
  CHECK(w.positions("billing")[{"orders", 0}] == 10);
  for (const record& each : batch) {
    if (each.offset() == offset(0)) member.commit(each);
  }
  CHECK(w.positions("billing")[{"orders", 0}] == 1);

  const topic_id id = w.admin.describe_topic("orders").id;
  const std::array past{group_position{id, partition_id(0), offset(11)}};
  const auto code = [&](const std::function<void()>& work) {
    try {
      work();
    } catch (const error& failed) {
      return static_cast<errc>(failed.code().value());
    }
    return errc::ok;
  };
  CHECK(code([&] { w.admin.move_group("billing", past); }) == errc::group_in_use);
  CHECK(code([&] { w.admin.delete_group("billing"); }) == errc::group_in_use);
  member.leave();
  CHECK(code([&] { w.admin.move_group("billing", past); }) == errc::offset_out_of_range);
  const std::array back{group_position{id, partition_id(0), offset(5)}};
  CHECK(code([&] { w.admin.move_group("billing", back); }) == errc::ok);
  CHECK(w.positions("billing")[{"orders", 0}] == 5);
  CHECK(code([&] { w.admin.delete_group("billing"); }) == errc::ok);
  CHECK(code([&] { w.admin.describe_group("billing"); }) == errc::unknown_group);
}

TEST_CASE(
    "members share the partitions, and hand over what they have committed, without loss or repetition") {
  world w;
  w.admin.create_topic("orders.eu", {.partitions = 3});
  auto one = w.client();
  auto two = w.client();
  w.publish("orders.eu", 0, 300);
  std::multiset<int> first;
  std::multiset<int> second;
  auto a = one.subscribe("orders.*", {.from = earliest, .delivery_bytes_max = 512, .group = "billing"});
  receive_until(a, first, [&] { return !first.empty(); });
  auto b = two.subscribe("orders.*", {.from = earliest, .delivery_bytes_max = 512, .group = "billing"});
  w.admin.create_topic("orders.us", {.partitions = 3});
  w.publish("orders.us", 300, 600);
  // Each goes on receiving, which is what lets partitions go.
  const auto deadline = steady::now() + patience;
  while (first.size() + second.size() < 600 && steady::now() < deadline) {
    receive_until(a, first, [until = steady::now() + 50ms] { return steady::now() >= until; });
    receive_until(b, second, [until = steady::now() + 50ms] { return steady::now() >= until; });
  }
  std::multiset<int> all = first;
  all.insert(second.begin(), second.end());
  CHECK(all == numbers(0, 600));
  for (const group_member& member : w.admin.describe_group("billing").members) CHECK(member.partitions == 3);
}

TEST_CASE("a member whose connection is lost resumes without repetition, through a restart of the broker") {
  world w;
  w.admin.create_topic("orders", {.partitions = 4});
  w.publish("orders", 0, 100);
  std::multiset<int> got;
  auto member = w.admin.subscribe("orders", {.from = earliest, .group = "billing"});
  receive_until(member, got, [&] { return got.size() >= 100; });
  const auto before = w.admin.describe_group("billing").members.front();
  w.broker.kill();
  w.broker.start();
  w.publish("orders", 100, 200);
  receive_until(member, got, [&] { return got.size() >= 200; });
  CHECK(got == numbers(0, 200));
  const auto after = w.admin.describe_group("billing").members.front();
  CHECK(after.id == before.id);
  CHECK(after.epoch > before.epoch);
  CHECK(after.partitions == 4);
}

TEST_CASE("a static member restarts and nothing moves; two of the same name fence each other") {
  world w;
  w.admin.create_topic("orders", {.partitions = 4});
  auto other_client = w.client();
  auto other = other_client.subscribe("orders", {.from = earliest, .group = "billing"});
  auto old_client = w.client();
  auto old = old_client.subscribe("orders", {.from = earliest, .group = "billing", .instance = "w1"});
  std::multiset<int> ignored;
  const auto share = [&](const std::string& instance) {
    std::set<std::uint32_t> partitions;
    const group_info group = w.admin.describe_group("billing");
    for (const group_member& member : group.members) {
      for (const group_partition& one : group.partitions) {
        if (member.instance == instance && one.member == member.id) partitions.insert(one.partition.value());
      }
    }
    return partitions;
  };
  // The other member gives half of it up by receiving.
  receive_until(other, ignored, [&] { return share("w1").size() == 2; });
  const auto had = share("w1");
  old.close();
  CHECK(share("w1") == had);
  CHECK(share("").size() == 2);

  auto fresh_client = w.client();
  auto fresh = fresh_client.subscribe("orders", {.from = earliest, .group = "billing", .instance = "w1"});
  wait_until([&] { return share("w1") == had; });
  auto thief_client = w.client();
  auto thief = thief_client.subscribe("orders", {.from = earliest, .group = "billing", .instance = "w1"});
  try {
    while (true) static_cast<void>(fresh.receive_for(10s).value());
  } catch (const error& failed) {
    CHECK(failed.code() == errc::fenced_member);
  }
  CHECK(share("w1") == had);
}

TEST_CASE("a dead member's partitions are taken over after its session timeout") {
  world w;
  w.admin.create_topic("orders", {.partitions = 2});
  w.publish("orders", 0, 20);
  auto alive_client = w.client();
  std::multiset<int> got;
  auto alive =
      alive_client.subscribe("orders", {.from = earliest, .group = "billing", .session_timeout = 500ms});
  {
    auto dead_client = w.client();
    auto dead = dead_client.subscribe(
        "orders", {.from = earliest, .group = "billing", .instance = "dead", .session_timeout = 500ms});
    receive_until(alive, got, [&] {
      const auto members = w.admin.describe_group("billing").members;
      return members.size() == 2 && members[0].partitions == 1 && members[1].partitions == 1;
    });
    dead_client.close();
  }
  receive_until(alive, got, [&] { return w.admin.describe_group("billing").members.size() == 1; });
  receive_until(alive, got, [&] { return std::set<int>(got.begin(), got.end()).size() == 20; });
  CHECK(w.admin.describe_group("billing").members.front().partitions == 2);
}

TEST_CASE("a thousand idle groups cost little memory") {
  world w;
  w.admin.create_topic("idle");
  const std::uint64_t before = w.admin.status().memory_bytes;
  std::vector<blocking_subscription> members;
  for (int i = 0; i < 1000; ++i) {
    const std::string group = "group-" + std::to_string(i);
    members.push_back(w.admin.subscribe("idle", {.from = latest, .group = group}));
  }
  CHECK(w.admin.list_groups().size() == 1000);
  const std::uint64_t after = w.admin.status().memory_bytes;
  MESSAGE("1,000 groups with a member each: ", (after - before) >> 10, " KiB");
  if (!sanitized) CHECK(after - before < 25u << 20);  // whose own memory would count as well
}

TEST_CASE("no committed position is lost by SIGKILL, and none goes back") {
  world w;
  w.admin.create_topic("orders", {.partitions = 3});
  constexpr int rounds = 6;
  int published = 0;
  std::multiset<int> got;
  std::map<std::uint32_t, std::uint64_t> committed;  // as acknowledged
  auto consumer = w.client();
  auto member = consumer.subscribe("orders", {.from = earliest, .group = "billing", .commit = manual});
  std::mt19937 random(7);
  for (int round = 0; round < rounds; ++round) {
    w.publish("orders", published, published + 300);
    published += 300;
    const auto enough = got.size() + 50 + random() % 200;
    const auto deadline = steady::now() + patience;
    while (got.size() < enough && steady::now() < deadline) {
      const auto batch = member.receive_for(50ms);
      if (!batch) break;
      for (const record& each : *batch) {
        got.insert(std::stoi(std::string(*each.value())));
        if (random() % 4 != 0) continue;
        try {
          member.commit(each);
          committed[each.partition().value()] = each.offset().value() + 1;
        } catch (const error&) {
          // Not acknowledged: it may hold or not.
        }
      }
    }
    w.broker.kill();
    w.broker.start();
    const auto stored = w.positions("billing");
    for (const auto& [partition, position] : committed) {
      const auto found = stored.find({"orders", partition});
      REQUIRE(found != stored.end());
      CHECK(found->second >= position);
    }
  }
  wait_until([&] {
    if (const auto batch = member.receive_for(50ms)) {
      for (const record& each : *batch) got.insert(std::stoi(std::string(*each.value())));
    }
    return std::set<int>(got.begin(), got.end()).size() == static_cast<std::size_t>(published);
  });
}

}  // namespace
}  // namespace skald::tests
