// Stories of one consumer group, in simulated time: who joins, who goes, and who gets what.
#include "broker/delivery/consumer_group.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "broker/delivery/group_coordinator.hpp"

namespace skald::delivery {

namespace {

using namespace std::chrono_literals;
using kind = group_effect::kind;
using change = shard::topic_change::kind;

// A group and its members as they see themselves, by what they were told.
struct story {
  std::vector<shard::shard::resolved_topic> topics;
  std::uint64_t last_id = 0;
  consumer_group group{[this](const protocol::topic_pattern& like) {
                         std::vector<shard::shard::resolved_topic> found;
                         for (const auto& one : topics) {
                           if (like.matches(one.name)) found.push_back(one);
                         }
                         return found;
                       },
                       [this] { return ++last_id; }};
  steady_time now{1h};
  std::map<membership, std::set<partition_ref>, bool (*)(const membership&, const membership&)> has{
      [](const membership& a, const membership& b) {
        return std::pair(a.member, a.epoch) < std::pair(b.member, b.epoch);
      }};
  std::vector<group_effect> told;  // by the last event
  std::size_t revoked_in_all = 0;
  std::size_t assigned_in_all = 0;

  void hear() {
    told = group.take_effects();
    for (const group_effect& one : told) {
      revoked_in_all += one.what == kind::revoke;
      assigned_in_all += one.what == kind::assign;
      if (one.what == kind::assign) {
        if (has.size() < 100) {
          for (const auto& [who, partitions] : has) CHECK_FALSE(partitions.contains(one.of));
        }
        has[one.to].insert(one.of);
      }
      if (one.what == kind::lose) has[one.to].erase(one.of);
      if (one.what == kind::end) has.erase(one.to);
    }
  }
  std::vector<partition_ref> revoked(const membership& from) const {
    std::vector<partition_ref> all;
    for (const group_effect& one : told) {
      if (one.what == kind::revoke && one.to.member == from.member) all.push_back(one.of);
    }
    return all;
  }
  // Everybody gives back at once what is wanted back.
  void hear_and_release() {
    for (hear(); !told.empty(); hear()) {
      const auto effects = told;
      for (const group_effect& one : effects) {
        if (one.what != kind::revoke) continue;
        has[one.to].erase(one.of);
        CHECK(group.release(one.to, {one.of}, now) == errc::ok);
      }
    }
  }
  topic_id add_topic(const std::string& name, std::uint32_t partitions) {
    const topic_id id(static_cast<std::uint32_t>(topics.size() + 1));
    topics.push_back({id, partitions, name});
    group.topic_changed({change::created, id, name, partitions}, now);
    return id;
  }
  membership join(join_request who) {
    if (who.subscription.empty()) who.subscription = "orders";
    return group.join(who, now);
  }
  membership join() { return join(join_request{}); }
  std::size_t load(const membership& of) const {
    const auto found = has.find(of);
    return found == has.end() ? 0 : found->second.size();
  }
  std::pair<std::size_t, std::size_t> spread() {
    std::size_t least = SIZE_MAX;
    std::size_t most = 0;
    for (const member_info& one : group.members(nobody, SIZE_MAX)) {
      least = std::min(least, one.partitions);
      most = std::max(most, one.partitions);
    }
    return {least, most};
  }
};

partition_ref part(topic_id topic, std::uint32_t partition) {
  return {topic, partition_id(partition)};
}

}  // namespace

TEST_CASE("the first member gets everything, the second half of it, once the first has let go") {
  story s;
  s.add_topic("orders", 4);
  const membership first = s.join();
  s.hear();
  CHECK(s.load(first) == 4);

  const membership second = s.join();
  s.hear();
  const auto wanted = s.revoked(first);
  CHECK(wanted.size() == 2);
  CHECK(s.load(second) == 0);  // not before they are released
  CHECK(s.group.may_commit(first, wanted) == errc::ok);
  for (const partition_ref one : wanted) s.has[first].erase(one);
  CHECK(s.group.release(first, wanted, s.now) == errc::ok);
  s.hear();
  CHECK(s.load(second) == 2);
  CHECK(s.group.may_commit(first, wanted) == errc::fenced_member);
  CHECK(s.group.may_commit(second, wanted) == errc::ok);
}

TEST_CASE("whatever happens, shares are equal within one and no more moves than must") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    story s;
    const auto partitions = static_cast<std::uint32_t>(1 + random() % 40);
    s.add_topic("orders", partitions);
    std::vector<membership> members;
    for (int step = 0; step < 60; ++step) {
      const std::size_t moved_before = s.revoked_in_all;
      if (members.empty() || random() % 5 < 3) {
        members.push_back(s.join());
        s.hear_and_release();
        // A fair share of the newcomer, and nothing else.
        CHECK(s.revoked_in_all - moved_before <= partitions / members.size());
      } else {
        const std::size_t who = random() % members.size();
        s.has.erase(members[who]);
        CHECK(s.group.leave(members[who], s.now) == errc::ok);
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(who));
        s.hear_and_release();
        CHECK(s.revoked_in_all == moved_before);  // those who stay keep what they have
      }
      if (members.empty()) continue;
      const auto [least, most] = s.spread();
      CHECK(most - least <= 1);
      std::size_t all = 0;
      for (const auto& [who, has] : s.has) all += has.size();
      CHECK(all == partitions);
    }
  }
}

TEST_CASE("a member that does not let go loses the partition at its deadline; the others never wait for it") {
  story s;
  const topic_id orders = s.add_topic("orders", 4);
  const membership slow = s.join({.release_timeout = 5s});
  s.hear();
  const membership next = s.join();
  s.hear();
  const auto wanted = s.revoked(slow);
  s.now += 4999ms;
  s.group.tick(s.now);
  s.hear();
  CHECK(s.load(next) == 0);
  s.now += 1ms;
  s.group.tick(s.now);
  s.hear();
  CHECK(s.load(next) == 2);
  CHECK(s.load(slow) == 2);
  CHECK(s.group.may_commit(slow, {wanted.front()}) == errc::fenced_member);
  CHECK(s.group.may_commit(slow, {part(orders, 0)}) == errc::ok);
  CHECK(s.group.release(slow, wanted, s.now) == errc::ok);  // too late, and no harm
  s.hear();
  CHECK(s.told.empty());
}

TEST_CASE("a dead member's partitions go to the others after its session timeout") {
  story s;
  s.add_topic("orders", 4);
  const membership dead = s.join({.session_timeout = 10s});
  const membership alive = s.join();
  s.hear_and_release();
  s.group.connection_lost(dead);
  s.has.erase(dead);
  s.now += 9s;
  CHECK(s.group.heartbeat(alive, s.now) == errc::ok);
  s.group.tick(s.now);
  s.hear();
  CHECK(s.load(alive) == 2);
  s.now += 1s;
  s.group.tick(s.now);
  s.hear();
  CHECK(s.load(alive) == 4);
  CHECK(s.group.heartbeat(dead, s.now) == errc::unknown_member);
  CHECK(s.group.may_commit(dead, {}) == errc::unknown_member);
}

TEST_CASE("heartbeats keep a member, and silence ends it, also with its connection up") {
  story s;
  s.add_topic("orders", 1);
  const membership quiet = s.join({.session_timeout = 10s});
  for (int i = 0; i < 5; ++i) {
    s.now += 8s;
    CHECK(s.group.heartbeat(quiet, s.now) == errc::ok);
    s.group.tick(s.now);
  }
  CHECK(s.group.size() == 1);
  s.now += 10s;
  s.group.tick(s.now);
  s.hear();
  CHECK(s.told.back().what == kind::end);
  CHECK(s.told.back().why == errc::unknown_member);
  CHECK(s.group.empty());
  CHECK_FALSE(s.group.next_tick());  // nothing is left to wait for
}

TEST_CASE("a member that comes back in time has what it had, and what it sent before is fenced") {
  story s;
  s.add_topic("orders", 3);
  const membership before = s.join();
  s.hear();
  s.group.connection_lost(before);
  s.has.clear();
  const membership after = s.join({.member = before.member, .epoch = before.epoch});
  s.hear();
  CHECK(after.member == before.member);
  CHECK(after.epoch > before.epoch);
  CHECK(s.load(after) == 3);
  CHECK(s.revoked_in_all == 0);
  CHECK(s.group.heartbeat(before, s.now) == errc::fenced_member);
  CHECK(s.group.leave(before, s.now) == errc::fenced_member);
  CHECK(s.group.release(before, {}, s.now) == errc::fenced_member);
}

TEST_CASE("a static member restarts without a move, and its old process is told") {
  story s;
  s.add_topic("orders", 4);
  const membership other = s.join();
  const membership old = s.join({.instance = "worker-1"});
  s.hear_and_release();
  const std::size_t moves = s.revoked_in_all;
  const auto had = s.has[old];

  SUBCASE("after its connection was lost") {
    s.group.connection_lost(old);
    s.has.erase(old);
    s.now += 20s;
    s.group.tick(s.now);
    s.hear();
    CHECK(s.told.empty());  // the group waits
  }
  SUBCASE("or while the old process still runs") {}
  const membership fresh = s.join({.instance = "worker-1"});
  s.hear();
  CHECK(s.has[fresh] == had);
  CHECK(s.revoked_in_all == moves);
  CHECK(s.load(other) == 2);
  CHECK_FALSE(s.has.contains(old));
  CHECK(s.group.may_commit(old, {*had.begin()}) == errc::fenced_member);
}

TEST_CASE("a new process of a static member begins where the commits of the old one end") {
  story s;
  const topic_id orders = s.add_topic("orders", 2);
  const membership old = s.join({.instance = "worker-1"});
  s.hear();
  const std::vector<partition_ref> committed{{orders, partition_id(0)}};
  s.group.commit_begun(committed);
  s.group.connection_lost(old);
  s.has.erase(old);
  const membership fresh = s.join({.instance = "worker-1"});
  s.hear();
  CHECK(s.has[fresh] == std::set<partition_ref>{{orders, partition_id(1)}});
  CHECK(s.group.may_commit(fresh, committed) == errc::fenced_member);
  s.group.commit_ended(committed);
  s.hear();
  CHECK(s.load(fresh) == 2);
  CHECK(s.group.may_commit(fresh, committed) == errc::ok);
}

TEST_CASE("a new process of a static member has nothing to finish: what was wanted back moves at once") {
  story s;
  s.add_topic("orders", 2);
  const membership old = s.join({.instance = "worker-1"});
  s.hear();
  const membership next = s.join();
  s.hear();
  CHECK(s.revoked(old).size() == 1);
  CHECK(s.load(next) == 0);
  s.group.connection_lost(old);
  s.has.erase(old);
  s.join({.instance = "worker-1"});
  s.hear();
  CHECK(s.load(next) == 1);
}

TEST_CASE("after a restart of the broker claims are honoured, and the rest is kept back for a while") {
  story s;
  const topic_id orders = s.add_topic("orders", 4);
  s.group.hold_until(s.now + 3s);
  const membership first = s.join(
      {.member = member_id(77), .epoch = member_epoch(4), .claims = {part(orders, 0), part(orders, 3)}});
  const membership newcomer = s.join();
  s.hear();
  CHECK(first.member == member_id(77));
  CHECK(first.epoch > member_epoch(4));
  CHECK(s.has[first] == std::set{part(orders, 0), part(orders, 3)});
  CHECK(s.load(newcomer) == 0);
  // What somebody has already cannot be claimed.
  const membership late = s.join(
      {.member = member_id(78), .epoch = member_epoch(1), .claims = {part(orders, 0), part(orders, 1)}});
  s.hear();
  CHECK(s.has[late] == std::set{part(orders, 1)});

  s.now += 3s;
  s.group.tick(s.now);
  s.hear();
  CHECK(s.load(newcomer) == 1);
  CHECK(s.revoked_in_all == 0);
  CHECK(s.spread() == std::pair<std::size_t, std::size_t>{1, 2});
}

TEST_CASE("no one gets a partition while a commit of it is under way") {
  story s;
  const topic_id orders = s.add_topic("orders", 1);
  const membership first = s.join();
  s.hear();
  s.group.commit_begun({part(orders, 0)});
  CHECK(s.group.leave(first, s.now) == errc::ok);
  s.has.clear();
  CHECK_FALSE(s.group.empty());
  const membership next = s.join();
  s.hear();
  CHECK(s.load(next) == 0);
  s.group.commit_ended({part(orders, 0)});
  s.hear();
  CHECK(s.load(next) == 1);
}

TEST_CASE("a stranger may commit where no member is") {
  story s;
  const topic_id orders = s.add_topic("orders", 2);
  const topic_id other = s.add_topic("other", 1);
  const membership stranger{};
  CHECK(s.group.may_commit(stranger, {part(orders, 0)}) == errc::ok);
  const membership member = s.join();
  s.hear();
  CHECK(s.group.may_commit(stranger, {part(orders, 0)}) == errc::group_in_use);
  CHECK(s.group.may_commit(stranger, {part(other, 0)}) == errc::ok);
  CHECK(s.group.may_commit(member, {part(other, 0)}) == errc::fenced_member);
}

TEST_CASE("partitions and topics that come later are assigned, those that go are lost, balance stays") {
  story s;
  const topic_id eu = s.add_topic("orders.eu", 2);
  const membership first = s.join({.subscription = "orders.*"});
  const membership second = s.join({.subscription = "orders.*"});
  s.hear_and_release();
  s.add_topic("orders.us", 3);
  s.add_topic("payments", 5);
  s.group.topic_changed({change::grew, eu, "orders.eu", 5}, s.now);
  s.hear_and_release();
  CHECK(s.load(first) == 4);
  CHECK(s.load(second) == 4);
  s.group.topic_changed({change::deleted, eu, "", 0}, s.now);
  s.hear_and_release();
  CHECK(s.load(first) + s.load(second) == 3);
  CHECK(s.spread() == std::pair<std::size_t, std::size_t>{1, 2});
}

TEST_CASE("members with different subscriptions share what both read") {
  story s;
  s.add_topic("orders", 4);
  s.add_topic("payments", 4);
  const membership orders = s.join({.subscription = "orders"});
  const membership all = s.join({.subscription = "*"});
  s.hear_and_release();
  CHECK(s.load(orders) == 4);  // the only ones it reads
  CHECK(s.load(all) == 4);
  CHECK(s.group.leave(orders, s.now) == errc::ok);
  s.has.erase(orders);
  s.hear_and_release();
  CHECK(s.load(all) == 8);
}

TEST_CASE("ten thousand members join at once, and leave again") {
  story s;
  s.add_topic("orders", 5000);
  std::vector<membership> members;
  for (int i = 0; i < 10'000; ++i) members.push_back(s.join());
  // With more members than partitions nobody has more than one; what moved is what newcomers had to get.
  CHECK(s.group.size() == 10'000);
  s.hear_and_release();
  CHECK(s.spread() == std::pair<std::size_t, std::size_t>{0, 1});
  // At most the shares of those who joined: 5000 (1 + 1/2 + 1/3 + ...), not members times partitions.
  CHECK(s.revoked_in_all < 50'000);
  for (const membership& one : members) CHECK(s.group.leave(one, s.now) == errc::ok);
  CHECK(s.group.empty());
}

TEST_CASE("groups are forgotten when nobody is left, and hold back only what was there before") {
  std::vector<shard::shard::resolved_topic> topics{{topic_id(1), 2, "orders"}};
  std::uint64_t last = 0;
  steady_time now{1h};
  group_coordinator all(
      {.grace = 3s}, now, [&](const protocol::topic_pattern&) { return topics; }, [&] { return ++last; },
      [](const std::string& name) { return name == "old"; });
  const membership fresh = all.open("fresh", now).join({.subscription = "orders"}, now);
  all.open("old", now).join({.subscription = "orders"}, now);
  auto told = all.take_effects();
  REQUIRE(told.size() == 1);
  CHECK(told[0].group == "fresh");
  CHECK(told[0].effects.size() == 2);
  now += 3s;
  all.tick(now);
  told = all.take_effects();
  REQUIRE(told.size() == 1);
  CHECK(told[0].group == "old");

  CHECK(all.find("fresh")->leave(fresh, now) == errc::ok);
  all.take_effects();
  CHECK(all.look("fresh") == nullptr);
  CHECK(all.names("", 10) == std::vector<std::string>{"old"});
}

}  // namespace skald::delivery
