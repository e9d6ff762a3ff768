// What a client that keeps to the protocol is answered.
#include <doctest/doctest.h>

#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

TEST_CASE("a hello is answered with the version, the limits and the broker's identity") {
  scene on;
  on.settings.broker_id = "b-1";
  const reply is = on.ask(9, [](auto& b) { return wire::CreateHello(b, 1, 7, b.CreateString("me")); });
  const auto* ok = is.frame().body_as_HelloOk();
  REQUIRE(ok != nullptr);
  CHECK(is.id() == 9);
  CHECK(ok->version() == 1);
  CHECK(protocol::text(ok->broker_id()) == "b-1");
  CHECK(ok->frame_bytes_max() == on.settings.frames.frame_bytes_max);
  CHECK(ok->idle_timeout_ms() == 60'000);
}

TEST_CASE("a client that speaks only later versions is told which this broker speaks, and let go") {
  scene on;
  on.send(1, [](auto& b) { return wire::CreateHello(b, 2, 3, 0); });
  const auto said = on.replies();
  REQUIRE(said.size() == 2);
  CHECK(said[0].error() == errc::unsupported_version);
  CHECK(said[1].closing() == errc::unsupported_version);
  CHECK(on.conversation->finished());
}

TEST_CASE("nothing but a hello opens a connection") {
  scene on;
  on.send(1, [](auto& b) { return wire::CreatePing(b); });
  CHECK(on.answer().closing() == errc::invalid_request);
  CHECK(on.conversation->finished());
}

TEST_CASE("a second hello is refused and the session goes on") {
  scene on;
  on.greet();
  CHECK(on.ask(5, [](auto& b) { return wire::CreateHello(b, 1, 1, 0); }).error() == errc::invalid_request);
  CHECK(on.ask(6, [](auto& b) { return wire::CreatePing(b); }).type() == wire::Body::Pong);
}

TEST_CASE("topics are created, listed, altered and deleted") {
  scene on;
  on.greet();
  const reply made = on.ask(2, [](auto& b) {
    const auto name = b.CreateString("orders");
    wire::TopicSettingsBuilder settings(b);
    settings.add_partitions(4);
    settings.add_retention_bytes(1 << 20);
    return wire::CreateCreateTopic(b, name, settings.Finish());
  });
  REQUIRE(made.type() == wire::Body::Ok);
  const auto describe = [](auto& b) { return wire::CreateDescribeTopic(b, b.CreateString("orders")); };
  const reply described = on.ask(8, describe);
  const auto* topic = described.frame().body_as_DescribeTopicOk();
  REQUIRE(topic != nullptr);
  CHECK(topic->topic()->settings()->partitions() == 4);
  CHECK(topic->topic()->settings()->retention_bytes() == 1 << 20);
  CHECK(topic->topic()->settings()->retention_ms() == -1);

  on.create("payments");
  const reply listed = on.ask(3, [](auto& b) { return wire::CreateListTopics(b, 0, 1); });
  REQUIRE(listed.frame().body_as_ListTopicsOk() != nullptr);
  CHECK(listed.frame().body_as_ListTopicsOk()->topics()->size() == 1);
  CHECK(listed.frame().body_as_ListTopicsOk()->more());

  const reply altered = on.ask(4, [](auto& b) {
    return wire::CreateAlterTopic(b, b.CreateString("orders"), wire::CreateTopicSettings(b, 6));
  });
  REQUIRE(altered.type() == wire::Body::Ok);
  CHECK(on.ask(9, describe).frame().body_as_DescribeTopicOk()->topic()->settings()->partitions() == 6);

  const auto remove = [](auto& b) { return wire::CreateDeleteTopic(b, b.CreateString("orders")); };
  CHECK(on.ask(5, remove).type() == wire::Body::Ok);
  CHECK(on.ask(6, remove).error() == errc::unknown_topic);
  CHECK(on.ask(7, describe).error() == errc::unknown_topic);
}

TEST_CASE("a publish is answered with the offset of each append, and bad ones fail by themselves") {
  scene on;
  on.greet();
  on.create("orders", 2);
  const bytes good = make_batch({"a", "b"});
  bytes all = good;
  all.insert(all.end(), good.begin(), good.end());
  const reply is = on.ask(
      3,
      [&](auto& b) {
        const auto size = static_cast<std::uint32_t>(good.size());
        const auto known = wire::CreateAppend(b, b.CreateString("orders"), 1, size);
        const auto unknown = wire::CreateAppend(b, b.CreateString("invoices"), 0, size);
        return wire::CreatePublish(b, b.CreateVector(std::vector{unknown, known}), wire::Durability::disk);
      },
      all);
  const auto* ok = is.frame().body_as_PublishOk();
  REQUIRE(ok != nullptr);
  REQUIRE(ok->appended()->size() == 2);
  CHECK(ok->appended()->Get(0)->code() == static_cast<std::uint16_t>(errc::unknown_topic));
  CHECK(ok->appended()->Get(0)->base_offset() == -1);
  CHECK(ok->appended()->Get(1)->code() == 0);
  CHECK(ok->appended()->Get(1)->base_offset() == 0);
  CHECK(ok->appended()->Get(1)->partitions() == 2);
  CHECK(ok->durability() == wire::Durability::disk);
}

TEST_CASE("a publish travels to the shard without being copied") {
  scene on;
  on.greet();
  on.create("orders");
  on.shard.hold_acknowledgements = true;
  on.send_publish(3, "orders", 0, make_batch({"a"}));
  CHECK(on.shard.appends_seen == 1);
  CHECK(on.replies().empty());
  on.shard.release();
  CHECK(on.answer().type() == wire::Body::PublishOk);
}

TEST_CASE("beyond the publish window no input is wanted until acknowledgements make room") {
  scene on;
  on.settings.publish_window_bytes = 1000;
  on.greet();
  on.create("orders");
  on.shard.hold_acknowledgements = true;
  const bytes batch = make_batch({std::string(400, 'x')});
  on.send_publish(3, "orders", 0, batch);
  on.send_publish(4, "orders", 0, batch);
  CHECK(on.conversation->wants_input());
  on.send_publish(5, "orders", 0, batch);
  CHECK_FALSE(on.conversation->wants_input());
  const int before = on.inputs_wanted;
  on.shard.release();
  CHECK(on.replies().size() == 3);
  CHECK(on.conversation->wants_input());
  CHECK(on.inputs_wanted > before);
}

TEST_CASE("a stopping session answers what it accepted before it says that it closes") {
  scene on;
  on.greet();
  on.create("orders");
  on.shard.hold_acknowledgements = true;
  on.send_publish(3, "orders", 0, make_batch({"a"}));
  on.conversation->stop();
  CHECK_FALSE(on.conversation->finished());
  CHECK_FALSE(on.conversation->wants_input());
  on.shard.release();
  const auto said = on.replies();
  REQUIRE(said.size() == 2);
  CHECK(said[0].type() == wire::Body::PublishOk);
  CHECK(said[1].closing() == errc::shutting_down);
  CHECK(on.conversation->finished());
}

TEST_CASE("an acknowledgement for a client that has vanished goes nowhere") {
  scene on;
  on.greet();
  on.create("orders");
  on.shard.hold_acknowledgements = true;
  on.send_publish(3, "orders", 0, make_batch({"a"}));
  on.conversation.reset();
  on.shard.release();
  const int before = on.outputs;
  on.time.run();
  CHECK(on.outputs == before);
  CHECK(on.shard.topics["orders"].partitions[0].end == offset(1));
}

TEST_CASE("status and producer ids are to be had") {
  scene on;
  on.greet();
  on.create("orders");
  const reply status = on.ask(3, [](auto& b) { return wire::CreateStatus(b); });
  REQUIRE(status.frame().body_as_StatusOk() != nullptr);
  CHECK(status.frame().body_as_StatusOk()->topics() == 1);
  const reply producer = on.ask(4, [](auto& b) { return wire::CreateInitProducer(b); });
  REQUIRE(producer.frame().body_as_InitProducerOk() != nullptr);
  CHECK(producer.frame().body_as_InitProducerOk()->producer_id() == 7);
}

TEST_CASE("a producer's name and what it renews reach the shard, and a refusal the client") {
  scene on;
  on.greet();
  const auto named = [](const char* name, std::optional<std::uint16_t> renews = {}) {
    return [=](flatbuffers::FlatBufferBuilder& b) {
      const auto text = b.CreateString(name);
      if (!renews) return wire::CreateInitProducer(b, text);
      return wire::CreateInitProducer(b, text, 7, *renews);
    };
  };
  const reply taken = on.ask(2, named("feed"));
  REQUIRE(taken.frame().body_as_InitProducerOk() != nullptr);
  CHECK(taken.frame().body_as_InitProducerOk()->epoch() == 1);
  const reply renewed = on.ask(3, named("feed", 4));
  REQUIRE(renewed.frame().body_as_InitProducerOk() != nullptr);
  CHECK(renewed.frame().body_as_InitProducerOk()->epoch() == 5);
  CHECK(on.ask(4, named("taken", 4)).error() == errc::fenced_producer);
  CHECK(on.ask(5, named("no spaces")).error() == errc::invalid_request);
  CHECK(on.ask(6, named("", 4)).error() == errc::invalid_request);
}

}  // namespace skald::server::test
