// Code as users write it: designated initialisers as temporaries inside co_await. GCC 12 destroys such
// temporaries twice when they own memory; the argument types own none, and this (under AddressSanitizer) is
// the proof.
#include <array>
#include <type_traits>

#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;

static_assert(std::is_trivially_destructible_v<message>);
static_assert(std::is_trivially_destructible_v<header>);
static_assert(std::is_trivially_destructible_v<client_options>);
static_assert(std::is_trivially_destructible_v<connect_options>);
static_assert(std::is_trivially_destructible_v<call_options>);
static_assert(std::is_trivially_destructible_v<publish_options>);
static_assert(std::is_trivially_destructible_v<subscribe_options>);
static_assert(std::is_trivially_destructible_v<fetch_options>);
static_assert(std::is_trivially_destructible_v<list_offsets_options>);
static_assert(std::is_trivially_destructible_v<create_topic_options>);
static_assert(std::is_trivially_destructible_v<producer_options>);
static_assert(std::is_trivially_destructible_v<topic_settings>);

namespace {

std::string long_text(char c) {
  return std::string(100, c);
}

asio::awaitable<void> follow(skald::client& broker, std::vector<std::string>& handled, std::size_t enough) {
  co_await broker.publish("orders", {.key = "42", .value = "created"});
  auto orders = co_await broker.subscribe("orders", {.from = skald::earliest});
  for (;;)
    for (const skald::record& r : co_await orders.receive()) {
      handled.emplace_back(*r.value());
      if (handled.size() == enough) co_return;
    }
}

}  // namespace

TEST_SUITE("coroutine temporaries") {
  TEST_CASE_FIXTURE(async_fixture, "the example of the manual") {
    server.add_topic("orders");
    std::vector<std::string> handled;
    run(follow(*broker, handled, 1));
    CHECK(handled == std::vector<std::string>{"created"});
  }

  TEST_CASE_FIXTURE(async_fixture, "temporaries that own memory may be passed as views") {
    server.add_topic("orders");
    run([](skald::client& to) -> asio::awaitable<void> {
      const std::array headers{header{"trace", "abc"}, header{"none", std::nullopt}};
      co_await to.publish("orders",
                          {.key = long_text('k'), .value = long_text('v') + "!", .headers = headers});
      co_await to.publish(std::string("ord") + "ers", {.value = std::nullopt, .time = timestamp(5ms)},
                          {.durability = durability::memory, .timeout = 5s});
      for (int i = 0; i < 3; ++i)
        co_await to.publish("orders", {.key = std::to_string(i), .value = long_text('w')});
    }(*broker));
    CHECK(stored("orders") == std::vector<std::string>{long_text('v') + "!", "(none)", long_text('w'),
                                                       long_text('w'), long_text('w')});
  }

  TEST_CASE_FIXTURE(async_fixture, "arguments are read before the operation begins") {
    server.add_topic("orders");
    run([](skald::client& to) -> asio::awaitable<void> {
      auto later = [&] {
        const std::string topic = "orders";
        const std::string value = long_text('x');
        return to.publish(topic, {.value = value});
      }();
      co_await std::move(later);
    }(*broker));
    CHECK(stored("orders") == std::vector<std::string>{long_text('x')});
  }

  TEST_CASE_FIXTURE(async_fixture, "every other operation in one expression each") {
    run([](skald::client& to) -> asio::awaitable<void> {
      co_await to.create_topic("t", {.partitions = 3, .retention_ms = unlimited},
                               {.if_absent = true, .timeout = 5s});
      co_await to.publish("t", {.value = "x", .partition = partition_id(1)});
      for (const auto& one : co_await to.list_offsets("t", {.at = earliest})) CHECK(one.offset == offset(0));
      for (const record& r : co_await to.fetch("t", partition_id(1), offset(0), {.bytes_max = 100}))
        CHECK(*r.value() == "x");
      CHECK((co_await to.describe_topic("t")).partitions.size() == 3);
      CHECK((co_await to.list_topics()).size() == 1);
      const std::array positions{partition_start{partition_id(1), offset(0)}};
      auto some = co_await to.subscribe("t", {.positions = positions, .credit_bytes = 1'000});
      for (const record& kept : co_await some.receive({.timeout = 5s}))
        CHECK(kept.partition() == partition_id(1));
      skald::producer out(to, {.linger = 1ms});
      co_await out.send("t", {.key = long_text('k'), .value = long_text('v')});
      // "x" and the record above, whose key belongs to this partition, came before it.
      CHECK((co_await out.publish("t", {.value = "y", .partition = partition_id(1)})).offset == offset(2));
      co_await out.flush({.timeout = 5s});
    }(*broker));
  }
}
