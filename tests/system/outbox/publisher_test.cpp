// What a relay makes of the broker's answers, with a real broker.
#include <doctest/doctest.h>

#include <array>
#include <skald/broker.hpp>
#include <skald/outbox/relay.hpp>
#include <skald/outbox/transaction.hpp>
#include <skald/skald.hpp>

#include "tests/system/outbox/databases.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
using outbox::relay;
using outbox::transaction;

struct publisher_scene {
  publisher_scene() {
    server.start();
    address = "127.0.0.1:" + std::to_string(server.port());
    broker.emplace(client_options{.address = address, .timeout = 60s});
    store->create_tables();
  }
  void publish(const std::string& topic, const message& what, std::string_view id = {}) {
    transaction change(*store);
    change.publish(topic, what, id);
    change.commit();
  }

  scratch_directory directory;
  skald::broker server{
      {.data_directory = directory.path(), .port = 0, .threads = 1, .segment_bytes = 8u << 20}};
  std::string address;
  std::optional<blocking_client> broker;
  sqlite_database database;
  std::unique_ptr<outbox::sqlite_store> store = database.open();
};

}  // namespace

TEST_SUITE("outbox publisher") {
  TEST_CASE_FIXTURE(publisher_scene, "a record arrives as it was put into the outbox, with its message id") {
    broker->create_topic("t", {.partitions = 3});
    const std::array headers{header{"trace", "abc"}};
    publish("t", {.key = "k", .value = std::nullopt, .headers = headers, .time = timestamp(5'000ms)}, "id 1");
    publish("t", {.value = "to 2", .partition = partition_id(2)});
    relay one(*store, outbox::to_broker(*broker));
    CHECK(one.run_once() == 2);
    auto subscription = broker->subscribe("t", {.from = earliest});
    int seen = 0;
    while (seen < 2)
      for (const record& each : subscription.receive()) {
        ++seen;
        if (each.key() != "k") {
          CHECK(each.partition() == partition_id(2));
          continue;
        }
        CHECK(!each.value());
        CHECK(each.time() == timestamp(5'000ms));
        CHECK(tracing::message_id_of(each) == "id 1");
        CHECK((*each.headers().begin()).key == "trace");
      }
  }

  TEST_CASE_FIXTURE(publisher_scene, "a record without a message id is known by its place") {
    broker->create_topic("t");
    broker->publish("t", {.value = "x"});
    broker->publish("t", {.value = "y"});
    std::vector<std::string> ids;
    for (const record& each : broker->fetch("t", partition_id(0), offset(0)))
      ids.push_back(tracing::message_id_of(each));
    CHECK(ids == std::vector<std::string>{"t/0/0", "t/0/1"});
  }

  TEST_CASE_FIXTURE(publisher_scene, "what a transaction publishes says which record it received") {
    broker->create_topic("in");
    broker->create_topic("out");
    const std::array begun{header{tracing::correlation_id_header, "order-42"}};
    broker->publish("in", {.value = "x", .headers = begun});
    const record cause = *broker->fetch("in", partition_id(0), offset(0)).begin();
    {
      transaction change(*store);
      REQUIRE(change.receive("me", cause));
      // With all the headers of what it passes on, among them an id, which is another record's.
      const std::array passed_on{header{tracing::message_id_header, "another"}};
      change.publish("out", {.value = "y", .headers = passed_on}, "mine");
      change.commit();
    }
    relay(*store, outbox::to_broker(*broker)).run_once();
    const record effect = *broker->fetch("out", partition_id(0), offset(0)).begin();
    CHECK(tracing::message_id_of(effect) == "mine");
    CHECK(tracing::find_header(effect, tracing::correlation_id_header) == "order-42");
    CHECK(tracing::find_header(effect, tracing::causation_id_header) == "in/0/0");
  }

  TEST_CASE_FIXTURE(publisher_scene, "what was published before is a duplicate") {
    broker->create_topic("t");
    const outbox::publisher to = outbox::to_broker(*broker);
    publish("t", {.key = "k", .value = "1"});
    CHECK(to(store->unsent(10, 1'000)) == 0);  // and the relay died before it could remove the row
    publish("t", {.key = "k", .value = "2"});
    relay next(*store, to);
    CHECK(next.run_once() == 2);
    CHECK(next.statistics().duplicates == 1);
    CHECK(broker->describe_topic("t").partitions.at(0).end == offset(2));
  }

  TEST_CASE_FIXTURE(publisher_scene, "a topic that is not there parks its rows; once it is, they may go") {
    broker->create_topic("t");
    publish("missing", {.key = "k", .value = "1"});
    publish("missing", {.key = "k", .value = "2"});
    publish("t", {.key = "k", .value = "3"});
    relay one(*store, outbox::to_broker(*broker));
    CHECK(one.run_once() == 1);
    const auto parked = store->parked(10);
    REQUIRE(parked.size() == 1);
    CHECK(parked[0].reason.find("missing") != std::string::npos);
    CHECK(store->statistics().unsent == 2);
    broker->create_topic("missing");
    CHECK(store->retry_parked() == 1);
    CHECK(one.run_once() == 2);
    CHECK(broker->describe_topic("missing").partitions.at(0).end == offset(2));
  }

  TEST_CASE_FIXTURE(publisher_scene, "a record that no batch can hold is parked, and those around it go") {
    broker->create_topic("t", {.batch_bytes_max = 1 << 20});
    publish("t", {.key = "a", .value = "1"});
    const std::string large(3 << 20, 'x');
    publish("t", {.key = "b", .value = large});
    publish("t", {.key = "c", .value = "3"});
    relay one(*store, outbox::to_broker(*broker), {.batch_bytes = 64 << 20});
    CHECK(one.run_once() == 2);
    CHECK(store->statistics().parked == 1);
  }

  TEST_CASE_FIXTURE(publisher_scene, "without a broker nothing is lost or parked") {
    broker->create_topic("t");
    publish("t", {.key = "k", .value = "1"});
    blocking_client nobody({.address = "127.0.0.1:1", .timeout = 50ms});
    relay one(*store, outbox::to_broker(nobody));
    CHECK_THROWS_AS(one.run_once(), error);
    CHECK(store->statistics().parked == 0);
    relay other(*store, outbox::to_broker(*broker));
    CHECK(other.run_once() == 1);
  }
}

}  // namespace skald::tests
