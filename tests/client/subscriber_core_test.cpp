#include "client/src/subscriber_core.hpp"

#include <doctest/doctest.h>

#include <array>
#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/error.hpp>

using namespace skald;
using detail::delivery_facts;
using detail::subscriber_core;

namespace {

std::vector<std::byte> batch(std::uint64_t base, std::uint64_t count) {
  protocol::batch_builder builder;
  for (std::uint64_t i = 0; i < count; ++i)
    REQUIRE(builder.append(std::nullopt, std::to_string(base + i), {}, timestamp()) == errc::ok);
  auto bytes = builder.finish();
  protocol::patch_base_offset(bytes, offset(base), 0);
  return bytes;
}

void deliver(subscriber_core& core, std::uint32_t partition, std::uint64_t from, std::uint64_t to,
             std::uint32_t seek = 0, bool corrupt = false, std::uint32_t topic = 1) {
  auto bytes = std::make_shared<std::vector<std::byte>>(batch(from, to - from));
  if (corrupt) bytes->back() ^= std::byte{1};
  delivery_facts facts{core.topic(), partition_id(partition), offset(from), offset(1'000), offset(0)};
  facts.topic_is = topic_id(topic);
  core.delivered(seek, std::move(facts), *bytes, bytes);
}

detail::topic_partition place(std::uint32_t partition, std::uint32_t topic = 1) {
  return {topic_id(topic), partition_id(partition)};
}
detail::placed_offset at(std::uint32_t partition, std::uint64_t from, std::uint32_t topic = 1) {
  return {place(partition, topic), offset(from)};
}
const std::vector<detail::named_topic> orders{{topic_id(1), "orders"}};

// Everything that can be received, as "partition:first-end".
std::vector<std::string> drain(subscriber_core& core) {
  std::vector<std::string> all;
  while (core.has_next()) {
    const auto next = core.take();
    if (!next) {
      all.push_back(std::string(to_string(next.error().code)));
      break;
    }
    std::uint64_t first = next->begin_offset().value();
    for (const record& r : *next) CHECK(r.offset().value() == first++);
    all.push_back(std::to_string(next->partition().value()) + ":" +
                  std::to_string(next->begin_offset().value()) + "-" +
                  std::to_string(next->end_offset().value()));
  }
  return all;
}

std::vector<std::string> text_of(const std::vector<detail::placed_start>& starts) {
  std::vector<std::string> all;
  for (const auto& one : starts)
    all.push_back(std::to_string(one.of.partition.value()) + "@" +
                  (one.from == earliest ? "earliest" : std::to_string(one.from.value())));
  return all;
}

using texts = std::vector<std::string>;

subscriber_core attached_core(subscribe_options options = {}) {
  subscriber_core core("orders", options);
  core.begin_attach();
  core.attached(orders, {at(0, 10), at(1, 20)});
  return core;
}

}  // namespace

TEST_SUITE("subscriber core") {
  TEST_CASE("deliveries are given out in order, and positions follow") {
    auto core = attached_core();
    deliver(core, 0, 10, 12);
    deliver(core, 1, 20, 21);
    deliver(core, 0, 12, 15);
    CHECK(drain(core) == texts{"0:10-12", "1:20-21", "0:12-15"});
    CHECK(core.positions()[0].next == offset(15));
    CHECK(core.positions()[1].lag() == 979);
  }

  TEST_CASE("records before the position are dropped, also within a batch") {
    auto core = attached_core();
    deliver(core, 0, 5, 13);
    deliver(core, 0, 11, 14);
    deliver(core, 0, 12, 14);
    CHECK(drain(core) == texts{"0:10-13", "0:13-14"});
  }

  TEST_CASE("what holds no records of interest moves the position, with or behind what waits") {
    auto core = attached_core();
    const auto progress = [&](std::uint32_t partition, std::uint64_t from, std::uint64_t to) {
      delivery_facts facts{core.topic(), partition_id(partition), offset(from), offset(to + 5), offset(0)};
      facts.next = offset(to);
      facts.topic_is = topic_id(1);
      core.delivered(0, std::move(facts), {}, {});
    };
    progress(0, 10, 30);
    progress(0, 30, 40);
    deliver(core, 1, 20, 21);
    progress(1, 21, 50);
    progress(1, 40, 50);  // nothing new
    CHECK(core.positions()[0].next == offset(10));
    CHECK(core.positions()[1].next == offset(20));

    core.detached();
    CHECK(text_of(core.begin_attach().positions) == texts{"0@40", "1@50"});
    core.attached(orders, {at(0, 40), at(1, 50)});

    auto first = core.take();
    REQUIRE(first.has_value());
    CHECK(first->empty());
    CHECK(first->end_offset() == offset(40));
    CHECK(first->high_watermark() == offset(45));
    CHECK(core.positions()[0].next == offset(40));
    auto second = core.take();
    REQUIRE(second.has_value());
    CHECK(second->size() == 1);
    CHECK(second->end_offset() == offset(50));
    CHECK(core.positions()[1].next == offset(50));
    CHECK_FALSE(core.has_next());
  }

  TEST_CASE("a lost connection resumes behind what has arrived, and gives what waits") {
    auto core = attached_core();
    deliver(core, 0, 10, 12);
    core.detached();
    const auto order = core.begin_attach();
    CHECK(text_of(order.positions) == texts{"0@12", "1@20"});
    CHECK(order.others);  // and those to come
    CHECK(order.start == earliest);
    core.attached(orders, {at(0, 12), at(1, 20), at(2, 0)});
    deliver(core, 0, 12, 13);
    deliver(core, 2, 0, 1);
    CHECK(drain(core) == texts{"0:10-12", "0:12-13", "2:0-1"});
  }

  TEST_CASE("chosen partitions stay the only ones") {
    const std::array chosen{partition_id(0), partition_id(1)};
    auto core = attached_core({.from = earliest, .partitions = chosen});
    deliver(core, 1, 20, 25);
    core.detached();
    const auto order = core.begin_attach();
    CHECK(text_of(order.positions) == texts{"0@10", "1@25"});
    CHECK(!order.others);
    CHECK(order.credit > 0);
  }

  TEST_CASE("what retention removed while there was no connection is a gap") {
    auto core = attached_core();
    core.detached();
    core.begin_attach();
    core.attached(orders, {at(0, 15), at(1, 20)});
    const auto told = core.take().value();
    REQUIRE(told.gap());
    CHECK(told.gap()->from == offset(10));
    CHECK(told.gap()->to == offset(15));
    CHECK(!core.has_next());
  }

  TEST_CASE("topics of a pattern join and leave, and records say where they are from") {
    subscriber_core core("orders.*", {.from = latest});
    CHECK(core.begin_attach().others);
    core.attached({{topic_id(1), "orders.eu"}}, {at(0, 10)});
    core.joined({{topic_id(2), "orders.us"}}, {at(0, 0, 2)});
    deliver(core, 0, 0, 1, 0, false, 2);
    deliver(core, 0, 10, 11);
    CHECK(core.take().value().topic() == "orders.us");
    CHECK(core.take().value().topic() == "orders.eu");
    CHECK(core.positions()[1].topic == "orders.us");

    deliver(core, 0, 11, 12);
    core.left({place(0)});
    CHECK(core.take().value().topic() == "orders.eu");  // it had arrived
    deliver(core, 0, 12, 13);                           // and this had been on its way
    CHECK(!core.has_next());
    core.detached();
    CHECK(text_of(core.begin_attach().positions) == texts{"0@1"});
  }

  TEST_CASE("a topic that went while there was no connection is forgotten") {
    subscriber_core core("orders.*", {});
    core.begin_attach();
    core.attached({{topic_id(1), "orders.eu"}, {topic_id(2), "orders.us"}}, {at(0, 10), at(0, 0, 2)});
    core.detached();
    core.begin_attach();
    core.attached({{topic_id(3), "orders.eu"}, {topic_id(2), "orders.us"}}, {at(0, 0, 2), at(0, 0, 3)});
    REQUIRE(core.positions().size() == 2);
    const std::vector<partition_start> to{{partition_id(0), earliest, "orders.eu"}};
    CHECK(core.resolve(to).value().front().of.topic == topic_id(3));
    const std::vector<partition_start> none{{partition_id(0), earliest, "orders.fr"}};
    CHECK(core.resolve(none).error().code == errc::unknown_topic);
  }

  TEST_CASE("credit comes back as deliveries are taken: in parts, and when nothing is left") {
    const auto size = batch(10, 1).size();
    auto core = attached_core({.credit_bytes = 8 * size});
    for (std::uint64_t i = 10; i < 16; ++i) deliver(core, 0, i, i + 1);
    REQUIRE(core.take().has_value());
    CHECK(core.take_credit() == 0);
    REQUIRE(core.take().has_value());
    CHECK(core.take_credit() == 2 * size);
    REQUIRE(core.take().has_value());
    CHECK(core.take_credit() == 0);
    CHECK(drain(core).size() == 3);
    CHECK(core.take_credit() == 4 * size);
  }

  TEST_CASE("credit of a new connection leaves out what still waits here") {
    const std::array chosen{partition_id(0), partition_id(1)};
    auto core = attached_core({.from = earliest, .partitions = chosen, .credit_bytes = 10'000});
    deliver(core, 0, 10, 11);
    core.detached();
    CHECK(core.begin_attach().credit == 10'000 - batch(10, 1).size());
  }

  TEST_CASE("after a seek nothing from before it is given out") {
    auto core = attached_core();
    deliver(core, 0, 10, 12);
    deliver(core, 1, 20, 21);
    const std::vector<detail::placed_start> to{{place(0), offset(100)}};
    const auto order = core.seek(to).value();
    deliver(core, 0, 12, 14, 0);  // was under way
    deliver(core, 1, 21, 22, 0);
    core.sought(order.seek, {at(0, 100)});
    deliver(core, 0, 100, 101, order.seek);
    CHECK(drain(core) == texts{"1:20-21", "1:21-22", "0:100-101"});
  }

  TEST_CASE("a seek that the connection took with it is part of the next subscription") {
    auto core = attached_core();
    deliver(core, 1, 20, 22);
    REQUIRE(core.seek_all(earliest).has_value());
    core.detached();
    CHECK(text_of(core.begin_attach().positions) == texts{"0@earliest", "1@earliest"});
    core.attached(orders, {at(0, 3), at(1, 4)});
    CHECK(core.positions()[0].next == offset(3));
  }

  TEST_CASE("a refused seek goes back to what was given out") {
    auto core = attached_core();
    deliver(core, 0, 10, 12);
    REQUIRE(core.take().has_value());
    deliver(core, 0, 12, 14);
    const auto order = core.seek_all(offset(99'999)).value();
    CHECK(text_of(core.seek_failed(order.seek)) == texts{"0@12", "1@20"});
  }

  TEST_CASE("a gap is told with no records if need be, once") {
    auto core = attached_core();
    core.missed(place(0), {offset(10), offset(50)});
    const auto told = core.take().value();
    REQUIRE(told.gap());
    CHECK(told.gap()->from == offset(10));
    CHECK(told.gap()->to == offset(50));
    CHECK(told.empty());
    deliver(core, 0, 50, 51);
    CHECK(!core.take().value().gap());
  }

  TEST_CASE("a corrupt batch stops, says so each time, and can be sought past") {
    auto core = attached_core();
    deliver(core, 0, 10, 12, 0, true);
    deliver(core, 1, 20, 21);
    CHECK(drain(core) == texts{"corrupt_batch"});
    CHECK(core.take_credit() == 0);
    CHECK(drain(core) == texts{"corrupt_batch"});
    const std::vector<detail::placed_start> past{{place(0), offset(12)}};
    const auto order = core.seek(past).value();
    CHECK(text_of(order.partitions) == texts{"0@12", "1@20"});  // the other was dropped meanwhile
    CHECK(core.take_credit() > 0);
    core.sought(order.seek, {at(0, 12), at(1, 20)});
    deliver(core, 0, 12, 13, order.seek);
    deliver(core, 1, 20, 21, order.seek);
    CHECK(drain(core) == texts{"0:12-13", "1:20-21"});
  }

  TEST_CASE("what arrived before the end is still received, then the reason") {
    auto core = attached_core();
    deliver(core, 0, 10, 11);
    core.ended({errc::unknown_topic, "deleted"});
    CHECK(drain(core) == texts{"0:10-11", "unknown_topic"});
    CHECK(core.seek_all(earliest).has_error());
  }

  TEST_CASE("contradictory options are refused") {
    const std::array partitions{partition_id(0)};
    const std::array positions{partition_start{partition_id(0), earliest}};
    CHECK_THROWS_AS(subscriber_core("t", {.partitions = partitions, .positions = positions}), error);
    CHECK_THROWS_AS(subscriber_core("t", {.credit_bytes = 0}), error);
    CHECK_THROWS_AS(subscriber_core("t.*", {.partitions = partitions}), error);
  }
}
