// Push subscriptions: order, fairness, credit, seeking, and what a slow subscriber costs.
#include <doctest/doctest.h>

#include <set>

#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

namespace {

struct stocked : scene {
  explicit stocked(std::uint32_t partitions = 1) {
    greet();
    create("orders", partitions);
  }
  std::vector<std::string> values(const std::vector<received>& from) {
    std::vector<std::string> out;
    for (const received& one : from) {
      for (const auto& [offset, value] : one.records) out.push_back(value);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a subscriber gets what there is, with offsets patched in, and then what is published") {
  stocked on;
  on.publish("orders", 0, make_batch({"a", "b"}));
  on.publish("orders", 0, make_batch({"c"}));
  on.send_subscribe(4, "orders", 8, plenty);
  const auto said = on.replies();
  CHECK(said[0].type() == wire::Body::SubscribeOk);
  const auto first = deliveries_in(said);
  REQUIRE(first.size() == 1);
  CHECK(first[0].records == std::vector<std::pair<std::uint64_t, std::string>>{{0, "a"}, {1, "b"}, {2, "c"}});

  on.send_publish(5, "orders", 0, make_batch({"d"}));
  const auto second = deliveries_in(on.replies());
  REQUIRE(second.size() == 1);
  CHECK(second[0].wanted == 3);
  CHECK(second[0].records.front() == std::pair<std::uint64_t, std::string>{3, "d"});
}

TEST_CASE("a start inside a batch delivers the whole batch and says which record is wanted") {
  stocked on;
  on.publish("orders", 0, make_batch({"a", "b", "c"}));
  on.send_subscribe(4, "orders", 8, plenty, wire::Start::offset, 2);
  const auto got = deliveries_in(on.replies());
  REQUIRE(got.size() == 1);
  CHECK(got[0].wanted == 2);
  CHECK(got[0].records.front().first == 0);
}

TEST_CASE("what has expired is passed over, and the subscriber is told where to go on") {
  stocked on;
  for (const char* value : {"a", "b", "c", "d"}) on.publish("orders", 0, make_batch({value}));
  auto& batches = on.shard.topics.at("orders").partitions[0].batches;
  batches[1].expired = batches[3].expired = true;
  on.send_subscribe(4, "orders", 8, plenty);
  const auto said = on.replies();
  CHECK(on.values(deliveries_in(said)) == std::vector<std::string>{"a", "c"});
  const auto* last = said.back().frame().body_as_Delivery();
  REQUIRE(last != nullptr);
  CHECK(last->next_offset() == 4);
  on.send_publish(5, "orders", 0, make_batch({"e"}));
  CHECK(on.values(deliveries_in(on.replies())) == std::vector<std::string>{"e"});

  // A run of nothing but expired records is told without a payload.
  on.publish("orders", 0, make_batch({"f"}));
  batches.back().expired = true;
  on.send_subscribe(6, "orders", 9, plenty, wire::Start::offset, 5);
  const auto nothing = on.replies();
  const auto* told = nothing.back().frame().body_as_Delivery();
  REQUIRE(told != nullptr);
  CHECK(nothing.back().payload.empty());
  CHECK(told->offset() == 5);
  CHECK(told->next_offset() == 6);
}

TEST_CASE("a fetch passes over what has expired") {
  stocked on;
  for (const char* value : {"a", "b", "c"}) on.publish("orders", 0, make_batch({value}));
  auto& batches = on.shard.topics.at("orders").partitions[0].batches;
  batches[0].expired = batches[2].expired = true;
  const auto fetch = [&](std::uint64_t id, std::uint64_t from) {
    return on.ask(id, [&](auto& b) { return wire::CreateFetch(b, b.CreateString("orders"), 0, from); });
  };
  const reply first = fetch(4, 0);
  REQUIRE(first.frame().body_as_FetchOk() != nullptr);
  CHECK_FALSE(first.payload.empty());
  CHECK(first.frame().body_as_FetchOk()->next_offset() == 3);
  const reply rest = fetch(5, 2);
  CHECK(rest.payload.empty());
  CHECK(rest.frame().body_as_FetchOk()->next_offset() == 3);
}

TEST_CASE("latest begins with what comes next") {
  stocked on;
  on.publish("orders", 0, make_batch({"old"}));
  on.send_subscribe(4, "orders", 8, plenty, wire::Start::latest);
  CHECK(deliveries_in(on.replies()).empty());
  on.send_publish(5, "orders", 0, make_batch({"new"}));
  CHECK(on.values(deliveries_in(on.replies())) == std::vector<std::string>{"new"});
}

TEST_CASE("a start by time finds the exact record inside its batch") {
  stocked on;
  on.publish("orders", 0, make_batch({"a", "b", "c", "d"}, 100));
  const reply at = on.ask(4, [](auto& b) {
    return wire::CreateListOffsets(b, b.CreateString("orders"), 0, wire::Start::time, 102);
  });
  REQUIRE(at.frame().body_as_ListOffsetsOk() != nullptr);
  CHECK(at.frame().body_as_ListOffsetsOk()->offsets()->Get(0)->offset() == 2);
  const reply after = on.ask(5, [](auto& b) {
    return wire::CreateListOffsets(b, b.CreateString("orders"), 0, wire::Start::time, 999);
  });
  CHECK(after.frame().body_as_ListOffsetsOk()->offsets()->Get(0)->offset() == 4);
}

TEST_CASE("without credit nothing is delivered, and credit that comes early is not lost") {
  stocked on;
  const bytes batch = make_batch({std::string(500, 'x')});
  for (int i = 0; i < 4; ++i) on.publish("orders", 0, batch);
  on.send_subscribe(4, "orders", 8, 0);
  CHECK(deliveries_in(on.replies()).empty());
  on.send(0, [&](auto& b) { return wire::CreateCredit(b, 8, batch.size() + 1); });
  CHECK(on.values(deliveries_in(on.replies())).size() == 2);  // the second overdraws
  on.send(0, [&](auto& b) { return wire::CreateCredit(b, 8, 10); });
  CHECK(deliveries_in(on.replies()).empty());
  on.send(0, [&](auto& b) { return wire::CreateCredit(b, 8, plenty); });
  CHECK(on.values(deliveries_in(on.replies())).size() == 2);

  on.send_subscribe(5, "orders", 9, 0);
  on.send(0, [&](auto& b) { return wire::CreateCredit(b, 9, plenty); });
  CHECK(on.values(deliveries_in(on.replies())).size() == 4);
}

TEST_CASE("partitions take turns") {
  stocked on(4);
  on.settings.delivery_bytes_max = 1;  // one batch a delivery
  on.settings.output_bytes_max = 1;    // and one delivery at a time
  for (int round = 0; round < 10; ++round) {
    for (std::uint32_t partition = 0; partition < 4; ++partition) {
      on.publish("orders", partition, make_batch({"x"}));
    }
  }
  on.send_subscribe(4, "orders", 8, plenty);
  const auto got = deliveries_in(on.replies());
  REQUIRE(got.size() == 40);
  std::vector<int> served(4);
  for (const received& one : got) {
    ++served[one.partition];
    const auto [least, most] = std::minmax_element(served.begin(), served.end());
    CHECK(*most - *least <= 2);
  }
}

TEST_CASE("what a subscriber does not read stays bounded, and another session goes on") {
  stocked on;
  on.settings.output_bytes_max = 100'000;
  const bytes batch = make_batch({std::string(10'000, 'x')});
  for (int i = 0; i < 100; ++i) on.publish("orders", 0, batch);
  on.send_subscribe(4, "orders", 8, plenty);
  on.time.run();
  CHECK(on.conversation->output().bytes() < 100'000 + on.settings.delivery_bytes_max + 1000);

  const auto other = std::make_shared<session>(on.host, on);
  const auto stuck = std::exchange(on.conversation, other);
  on.greet();
  CHECK(on.ask(3, [](auto& b) { return wire::CreatePing(b); }).type() == wire::Body::Pong);
  on.conversation = stuck;
  CHECK(on.values(deliveries_in(on.replies())).size() == 100);
}

TEST_CASE("a seek takes effect between deliveries, which carry its number from then on") {
  stocked on;
  for (int i = 0; i < 3; ++i) on.publish("orders", 0, make_batch({std::to_string(i)}));
  on.send_subscribe(4, "orders", 8, plenty);
  on.replies();
  on.send(5, [](auto& b) {
    const auto start = wire::CreatePartitionStart(b, 0, wire::Start::offset, 1);
    return wire::CreateSeek(b, 8, 42, b.CreateVector(std::vector{start}));
  });
  const auto said = on.replies();
  CHECK(said[0].type() == wire::Body::SeekOk);
  const auto got = deliveries_in(said);
  REQUIRE(got.size() == 1);
  CHECK(got[0].seek == 42);
  CHECK(on.values(got) == std::vector<std::string>{"1", "2"});
  CHECK(on.shard.waits() == 1);  // what waited at the old place does not any more
}

TEST_CASE("what was planned for the place before a seek, and comes after it, is not delivered") {
  stocked on;
  for (int i = 0; i < 3; ++i) on.publish("orders", 0, make_batch({std::to_string(i)}));
  on.send_subscribe(4, "orders", 8, plenty);
  on.replies();
  // The seek is under way when a record arrives that the subscription has been waiting for.
  on.send(5, [](auto& b) {
    const auto start = wire::CreatePartitionStart(b, 0, wire::Start::offset, 1);
    return wire::CreateSeek(b, 8, 42, b.CreateVector(std::vector{start}));
  });
  on.send_publish(6, "orders", 0, make_batch({"3"}));
  CHECK(on.values(deliveries_in(on.replies())) == std::vector<std::string>{"1", "2", "3"});
}

TEST_CASE("records that retention took away are reported, and delivery goes on behind them") {
  stocked on;
  for (int i = 0; i < 3; ++i) on.publish("orders", 0, make_batch({std::to_string(i)}));
  auto& partition = on.shard.topics["orders"].partitions[0];
  partition.log_start = offset(2);
  partition.batches.erase(partition.batches.begin(), partition.batches.begin() + 2);
  on.send_subscribe(4, "orders", 8, plenty, wire::Start::offset, 0);
  const auto said = on.replies();
  REQUIRE(said.size() == 3);
  const auto* notice = said[1].frame().body_as_SubscriptionNotice();
  REQUIRE(notice != nullptr);
  CHECK_FALSE(notice->ended());
  CHECK(notice->from() == 0);
  CHECK(notice->to() == 2);
  CHECK(on.values(deliveries_in(said)) == std::vector<std::string>{"2"});
}

TEST_CASE("a subscription ends with its topic") {
  stocked on;
  on.send_subscribe(4, "orders", 8, plenty);
  on.replies();
  on.send(5, [](auto& b) { return wire::CreateDeleteTopic(b, b.CreateString("orders")); });
  const auto said = on.replies();
  const auto ended = std::find_if(said.begin(), said.end(), [](const reply& one) {
    const auto* notice = one.frame().body_as_SubscriptionNotice();
    return notice != nullptr && notice->ended();
  });
  CHECK(ended != said.end());
  CHECK(on.counts.subscriptions == 0);
}

TEST_CASE("a subscription to all partitions follows those that the topic gets later") {
  stocked on;
  on.send_subscribe(4, "orders", 8, plenty);
  on.replies();
  on.shard.topics["orders"].partitions.resize(2);
  on.conversation->topic_changed(change_of(on.shard.topics["orders"]));
  on.send_publish(5, "orders", 1, make_batch({"new"}));
  const auto got = deliveries_in(on.replies());
  REQUIRE(got.size() == 1);
  CHECK(got[0].partition == 1);
}

TEST_CASE("a topic that grows while a subscription to it begins is followed in full") {
  stocked on;
  on.send_subscribe(4, "orders", 8, plenty);  // the shard's answer is on its way
  on.shard.topics["orders"].partitions.resize(2);
  on.conversation->topic_changed(change_of(on.shard.topics["orders"]));
  on.replies();
  on.send_publish(5, "orders", 1, make_batch({"new"}));
  CHECK(deliveries_in(on.replies()).size() == 1);
}

namespace {

const wire::SubscriptionChanged* change_in(const std::vector<reply>& replies) {
  for (const reply& one : replies) {
    if (const auto* changed = one.frame().body_as_SubscriptionChanged()) return changed;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a pattern delivers from all topics that match, and says which each record is from") {
  stocked on;
  on.create("orders.eu");
  on.create("orders.us", 2);
  on.publish("orders", 0, make_batch({"no"}));
  on.publish("orders.eu", 0, make_batch({"eu"}));
  on.publish("orders.us", 1, make_batch({"us"}));
  on.send_subscribe(4, "orders.*", 8, plenty);
  const auto said = on.replies();
  const auto* ok = said[0].frame().body_as_SubscribeOk();
  REQUIRE(ok != nullptr);
  CHECK(ok->topics()->size() == 2);
  CHECK(ok->offsets()->size() == 3);
  CHECK(on.values(deliveries_in(said)) == std::vector<std::string>{"eu", "us"});
  CHECK(said[1].frame().body_as_Delivery()->topic_id() == on.shard.topics["orders.eu"].info.id.value());
}

TEST_CASE("a topic that matches joins when it is created, from its beginning, also while the pattern opens") {
  stocked on;
  on.send_subscribe(4, "orders.>", 8, plenty, wire::Start::latest);  // nothing matches yet
  on.shard.create_topic("orders.eu.paid", {}, false, [](const auto&...) {});
  on.conversation->topic_changed(change_of(on.shard.topics["orders.eu.paid"]));
  const auto opened = on.replies();
  CHECK(opened[0].frame().body_as_SubscribeOk() != nullptr);

  on.create("orders.us", 2);
  on.publish("orders.us", 1, make_batch({"first"}));
  on.conversation->topic_changed(change_of(on.shard.topics["orders.us"], shard::topic_change::kind::created));
  const auto said = on.replies();
  const auto* joined = change_in(said);
  REQUIRE(joined != nullptr);
  CHECK(joined->topics()->Get(0)->name()->str() == "orders.us");
  CHECK(joined->joined()->size() == 2);
  CHECK(on.values(deliveries_in(said)) == std::vector<std::string>{"first"});
  on.create("payments");
  on.conversation->topic_changed(change_of(on.shard.topics["payments"]));
  CHECK(change_in(on.replies()) == nullptr);
}

TEST_CASE("a topic that is deleted leaves a pattern, which goes on") {
  stocked on;
  on.create("orders.eu");
  on.create("orders.us");
  on.send_subscribe(4, "orders.*", 8, plenty);
  on.replies();
  const auto gone = change_of(on.shard.topics["orders.eu"], shard::topic_change::kind::deleted);
  on.conversation->topic_changed(gone);  // as the shard does, before whoever waits for records finds out
  on.send(5, [](auto& b) { return wire::CreateDeleteTopic(b, b.CreateString("orders.eu")); });
  const auto said = on.replies();
  const auto* left = change_in(said);
  REQUIRE(left != nullptr);
  REQUIRE(left->left()->size() == 1);
  CHECK(left->left()->Get(0)->topic_id() == gone.topic.value());
  on.send_publish(6, "orders.us", 0, make_batch({"still"}));
  CHECK(on.values(deliveries_in(on.replies())) == std::vector<std::string>{"still"});
  CHECK(on.counts.subscriptions == 1);
}

TEST_CASE("a pattern resumes in one request: places for some partitions, the rest from the start") {
  stocked on;
  on.create("orders.eu", 2);
  for (const std::uint32_t partition : {0u, 1u}) {
    on.publish("orders.eu", partition, make_batch({"a", "b"}));
  }
  on.send(4, [&](auto& b) {
    const auto at = wire::CreatePartitionStart(b, 0, wire::Start::offset, 2,
                                               on.shard.topics["orders.eu"].info.id.value());
    const auto gone = wire::CreatePartitionStart(b, 0, wire::Start::offset, 7, 999);  // deleted meanwhile
    return wire::CreateSubscribe(b, 8, b.CreateString("orders.*"), b.CreateVector(std::vector{at, gone}),
                                 wire::Start::earliest, 0, plenty, 0, true);
  });
  const auto got = deliveries_in(on.replies());
  REQUIRE(got.size() == 1);
  CHECK(got[0].partition == 1);
  CHECK(got[0].wanted == 0);
}

TEST_CASE("a seek in a pattern names its topics") {
  stocked on;
  on.create("orders.eu");
  on.publish("orders.eu", 0, make_batch({"a"}));
  on.send_subscribe(4, "orders.*", 8, plenty);
  on.replies();
  const auto seek = [&](std::uint32_t topic) {
    on.send(5, [&](auto& b) {
      const auto to = wire::CreatePartitionStart(b, 0, wire::Start::earliest, 0, topic);
      return wire::CreateSeek(b, 8, 1, b.CreateVector(std::vector{to}));
    });
    return on.replies();
  };
  CHECK(seek(0).front().error() == errc::unknown_partition);
  CHECK(on.values(deliveries_in(seek(on.shard.topics["orders.eu"].info.id.value()))) ==
        std::vector<std::string>{"a"});
}

TEST_CASE("a pattern that is none is refused, and so is one where a name is wanted") {
  stocked on;
  on.send_subscribe(4, "orders.>.eu", 8, plenty);
  CHECK(on.answer().error() == errc::invalid_topic_name);
  CHECK(on.ask(5, [](auto& b) {
            return wire::CreateListOffsets(b, b.CreateString("orders.*"), 0, wire::Start::latest, 0);
          }).error() == errc::invalid_topic_name);
  CHECK(on.ask(6, [](auto& b) { return wire::CreateFetch(b, b.CreateString("orders.*"), 0, 0); }).error() ==
        errc::invalid_topic_name);
}

TEST_CASE("a plan that is not used for two sweeps is let go, and made anew when it is needed") {
  stocked on;
  for (int i = 0; i < 3; ++i) on.publish("orders", 0, make_batch({std::to_string(i)}));
  on.settings.delivery_bytes_max = 1;
  on.send_subscribe(4, "orders", 8, 1);
  CHECK(on.values(deliveries_in(on.replies())) == std::vector<std::string>{"0"});
  on.conversation->sweep();
  on.conversation->sweep();
  on.send(0, [&](auto& b) { return wire::CreateCredit(b, 8, plenty); });
  CHECK(on.values(deliveries_in(on.replies())) == std::vector<std::string>{"1", "2"});
}

}  // namespace skald::server::test
