// Sessions of consumer groups' members: what they are told and may ask, with groups that say what a test
// wants.
#include <doctest/doctest.h>

#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

namespace {

using kind = group_event::kind;

struct member_scene : scene {
  member_scene() {
    greet();
    create("orders", 3);
  }
  topic_id orders() { return shard.topics["orders"].info.id; }
  fake_groups& groups() { return shard.members; }

  void send_join(std::uint64_t id, const std::string& group, const std::string& topic = "orders",
                 const std::string& instance = {}, std::uint32_t timeout_ms = 0) {
    send(id, [&](auto& b) {
      const auto name = b.CreateString(topic);
      const auto in = b.CreateString(group);
      const auto as = b.CreateString(instance);
      return wire::CreateSubscribe(b, 8, name, 0, wire::Start::earliest, 0, plenty, 0, false, in, as, 0, 0,
                                   timeout_ms);
    });
  }
  std::vector<reply> join() {
    send_join(4, "billing");
    group_event joined;
    joined.what = kind::joined;
    joined.is = {delivery::member_id(77), delivery::member_epoch(2)};
    groups().tell(joined);
    return replies();
  }
  group_event assigned(const std::vector<std::uint32_t>& partitions) {
    group_event event;
    event.assigned.topics.push_back({orders(), 3, "orders"});
    for (const std::uint32_t partition : partitions) {
      located_start start;
      start.topic = orders();
      start.info.partition = partition_id(partition);
      event.assigned.starts.push_back(start);
    }
    return event;
  }
  std::vector<reply> tell(group_event event) {
    groups().tell(std::move(event));
    return replies();
  }
};

const wire::SubscriptionChanged* change_in(const std::vector<reply>& replies) {
  for (const reply& one : replies) {
    if (const auto* changed = one.frame().body_as_SubscriptionChanged()) return changed;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a member gets its partitions when they are assigned, and nothing of them once they are revoked") {
  member_scene on;
  on.publish("orders", 1, make_batch({"a"}));
  const auto said = on.join();
  const auto* ok = said.front().frame().body_as_SubscribeOk();
  REQUIRE(ok != nullptr);
  CHECK(ok->member() == 77);
  CHECK(ok->epoch() == 2);
  CHECK(ok->heartbeat_ms() == 10'000);
  CHECK(deliveries_in(said).empty());

  const auto given = on.tell(on.assigned({0, 1}));
  const auto* joined = change_in(given);
  REQUIRE(joined != nullptr);
  CHECK(joined->joined()->size() == 2);
  CHECK(joined->topics()->Get(0)->name()->str() == "orders");
  CHECK(deliveries_in(given).size() == 1);

  group_event back;
  back.revoked = {{on.orders(), partition_id(1)}};
  back.lost = {{on.orders(), partition_id(0)}};
  const auto taken = on.tell(back);
  CHECK(change_in(taken)->revoked()->Get(0)->partition() == 1);
  CHECK(change_in(taken)->left()->Get(0)->partition() == 0);
  on.send_publish(5, "orders", 1, make_batch({"b"}));
  on.send_publish(6, "orders", 0, make_batch({"c"}));
  CHECK(deliveries_in(on.replies()).empty());
  CHECK(on.shard.waits() == 0);
}

TEST_CASE("what a member asks goes to its group") {
  member_scene on;
  on.join();
  CHECK(on.ask(5, [](auto& b) { return wire::CreateMemberHeartbeat(b, 8); }).type() == wire::Body::Ok);
  const reply released = on.ask(6, [](auto& b) {
    const std::vector<wire::TopicPartition> places{{1, 2}};
    return wire::CreateReleasePartitions(b, 8, b.CreateVectorOfStructs(places));
  });
  CHECK(released.type() == wire::Body::Ok);
  const reply committed = on.ask(7, [](auto& b) {
    const auto group = b.CreateString("billing");
    const auto at = wire::CreatePartitionOffset(b, 2, 5, 1);
    return wire::CreateCommitOffsets(b, group, 77, 2, b.CreateVector(std::vector{at}));
  });
  CHECK(committed.type() == wire::Body::Ok);
  CHECK(on.ask(8, [](auto& b) { return wire::CreateUnsubscribe(b, 8); }).type() == wire::Body::Ok);
  CHECK(on.groups().heard == std::vector<std::string>{"heartbeat billing", "release billing 1",
                                                      "commit billing 1", "leave billing"});
}

TEST_CASE("a lost connection is no leaving, and a static member never leaves by itself") {
  member_scene on;
  on.join();
  SUBCASE("the connection goes") {
    on.conversation->hang_up(errc::shutting_down, "");
    CHECK(on.groups().heard.empty());
  }
  SUBCASE("a static member unsubscribes") {
    on.ask(5, [](auto& b) { return wire::CreateUnsubscribe(b, 8); });
    on.groups().heard.clear();
    on.send_join(6, "billing", "orders", "worker-1");
    group_event joined;
    joined.what = kind::joined;
    on.groups().tell(joined);
    on.replies();
    on.ask(7, [](auto& b) { return wire::CreateUnsubscribe(b, 8); });
    CHECK(on.groups().heard.empty());
  }
  CHECK(on.groups().connections_lost > 0);
  CHECK(on.counts.subscriptions == 0);
}

TEST_CASE("a join that fails, and a membership that ends, say why") {
  member_scene on;
  group_event ended;
  ended.what = kind::ended;
  ended.why = {errc::unknown_topic, "there is none"};
  on.send_join(4, "billing");
  on.groups().tell(ended);
  CHECK(on.answer().error() == errc::unknown_topic);
  CHECK(on.counts.subscriptions == 0);

  on.join();
  ended.why = {errc::fenced_member, "another has its place"};
  const auto said = on.tell(ended);
  REQUIRE(said.size() == 1);
  const auto* notice = said.front().frame().body_as_SubscriptionNotice();
  REQUIRE(notice != nullptr);
  CHECK(notice->ended());
  CHECK(static_cast<errc>(notice->code()) == errc::fenced_member);
  CHECK(on.ask(5, [](auto& b) { return wire::CreateMemberHeartbeat(b, 8); }).error() ==
        errc::unknown_subscription);
}

TEST_CASE("a member that is gone before it has joined leaves") {
  member_scene on;
  on.send_join(4, "billing");
  on.ask(5, [](auto& b) { return wire::CreateUnsubscribe(b, 8); });
  group_event joined;
  joined.what = kind::joined;
  on.groups().tell(joined);
  CHECK(on.groups().heard == std::vector<std::string>{"leave billing"});
}

TEST_CASE("names and timeouts that make no sense are refused") {
  member_scene on;
  on.send_join(4, "bad group");
  CHECK(on.answer().error() == errc::invalid_request);
  on.send_join(5, "billing", "orders.>.eu");
  CHECK(on.answer().error() == errc::invalid_topic_name);
  on.send_join(6, "billing", "orders", "no good");
  CHECK(on.answer().error() == errc::invalid_request);
  on.send_join(7, "billing", "orders", "", 1);
  CHECK(on.answer().error() == errc::invalid_request);
  on.send_join(8, "billing", "orders", "", 4'000'000);
  CHECK(on.answer().error() == errc::invalid_request);
  CHECK(on.groups().joins.empty());
  CHECK(on.ask(9, [](auto& b) { return wire::CreateMemberHeartbeat(b, 8); }).error() ==
        errc::unknown_subscription);
  CHECK(on.ask(10, [](auto& b) { return wire::CreateDeleteGroup(b, b.CreateString("bad group")); }).error() ==
        errc::invalid_request);
  CHECK(on.ask(11, [](auto& b) { return wire::CreateDescribeGroup(b, b.CreateString("none")); }).error() ==
        errc::unknown_group);
}

}  // namespace skald::server::test
