// Fetches, and reads that have to wait for the disk.
#include <doctest/doctest.h>

#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

namespace {

auto fetch(std::uint64_t from, std::uint32_t bytes_min, std::uint32_t wait_ms,
           std::uint32_t bytes_max = 1u << 20) {
  return [=](auto& b) {
    return wire::CreateFetch(b, b.CreateString("orders"), 0, from, bytes_max, bytes_min, wait_ms);
  };
}

struct reading : scene {
  reading() {
    greet();
    create("orders");
  }
};

}  // namespace

TEST_CASE("a fetch returns whole batches within its bytes, and at least one") {
  reading on;
  const bytes batch = make_batch({"0123456789"});
  for (int i = 0; i < 3; ++i) on.publish("orders", 0, batch);
  const reply two = on.ask(5, fetch(0, 0, 0, static_cast<std::uint32_t>(2 * batch.size())));
  REQUIRE(two.type() == wire::Body::FetchOk);
  CHECK(two.payload.size() == 2 * batch.size());
  CHECK(two.frame().body_as_FetchOk()->high_watermark() == 3);
  CHECK(on.ask(6, fetch(2, 0, 0, 1)).payload.size() == batch.size());
  const reply end = on.ask(7, fetch(3, 0, 0));
  CHECK(end.type() == wire::Body::FetchOk);
  CHECK(end.payload.empty());
}

TEST_CASE("a fetch beyond the end, or of nothing, fails") {
  reading on;
  CHECK(on.ask(5, fetch(1, 0, 0)).error() == errc::offset_out_of_range);
  CHECK(on.ask(6, [](auto& b) { return wire::CreateFetch(b, b.CreateString("nothing")); }).error() ==
        errc::unknown_topic);
  CHECK(on.ask(7, [](auto& b) { return wire::CreateFetch(b, b.CreateString("orders"), 3); }).error() ==
        errc::unknown_partition);
}

TEST_CASE("a long poll is answered as soon as there are enough bytes") {
  reading on;
  const bytes batch = make_batch({"0123456789"});
  on.send(5, fetch(0, static_cast<std::uint32_t>(batch.size()) + 1, 1000));
  CHECK(on.replies().empty());
  on.publish("orders", 0, batch);
  CHECK(on.replies().empty());
  on.send_publish(6, "orders", 0, batch);
  const auto said = on.replies();
  const auto answered =
      std::find_if(said.begin(), said.end(), [](const reply& one) { return one.id() == 5; });
  REQUIRE(answered != said.end());
  CHECK(answered->payload.size() == 2 * batch.size());
}

TEST_CASE("a long poll that waits in vain is answered at its deadline, with what there is") {
  reading on;
  on.send(5, fetch(0, 1, 1000));
  on.send(6, fetch(0, 1u << 20, 2000));
  CHECK(on.replies().empty());
  on.time.advance(std::chrono::milliseconds(999));
  CHECK(on.replies().empty());
  on.time.advance(std::chrono::milliseconds(1));
  const auto first = on.replies();
  REQUIRE(first.size() == 1);
  CHECK(first[0].id() == 5);
  CHECK(first[0].payload.empty());
  on.send_publish(7, "orders", 0, make_batch({"a"}));
  on.replies();
  on.time.advance(std::chrono::milliseconds(1000));
  const reply second = on.answer();
  CHECK(second.id() == 6);
  CHECK_FALSE(second.payload.empty());
  CHECK(on.shard.waits() == 0);
}

TEST_CASE("a stop answers long polls at once") {
  reading on;
  on.send(5, fetch(0, 1, 60'000));
  on.time.run();
  on.conversation->stop();
  const auto said = on.replies();
  REQUIRE(said.size() == 2);
  CHECK(said[0].error() == errc::shutting_down);
  CHECK(said[1].closing() == errc::shutting_down);
}

TEST_CASE("what is not in memory is read in the background, in order") {
  reading on;
  on.shard.memory_only_reads = true;
  on.settings.delivery_bytes_max = 1;
  for (int i = 0; i < 5; ++i) on.publish("orders", 0, make_batch({std::to_string(i)}));
  on.send_subscribe(4, "orders", 8, 1u << 20);
  const auto got = deliveries_in(on.replies());
  REQUIRE(got.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(got[i].wanted == i);
  CHECK(on.slow.runs == 5);
  CHECK(on.ask(9, fetch(0, 0, 0)).payload.size() > 0);
}

TEST_CASE("a background read that ends after its subscription or session is dropped") {
  reading on;
  on.shard.memory_only_reads = true;
  on.publish("orders", 0, make_batch({"a"}));
  on.send_subscribe(4, "orders", 8, 1u << 20);
  on.send(5, [](auto& b) { return wire::CreateUnsubscribe(b, 8); });
  CHECK(deliveries_in(on.replies()).empty());
  on.send_subscribe(6, "orders", 9, 1u << 20);
  on.conversation.reset();
  on.time.run();
  CHECK(on.counts.subscriptions == 0);
}

}  // namespace skald::server::test
