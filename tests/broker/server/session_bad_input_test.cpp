// What a client that breaks the protocol, or asks for what cannot be, is told.
#include <doctest/doctest.h>

#include <random>

#include "skald/protocol/crc32c.hpp"
#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

namespace {

void put(bytes& at, std::size_t position, std::uint64_t value, std::size_t width, bool big_endian = false) {
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t shift = 8 * (big_endian ? width - 1 - i : i);
    at[position + i] = static_cast<std::byte>(value >> shift);
  }
}

// A batch whose checksum is right again after its inside was changed.
bytes with_checksum(bytes batch) {
  constexpr std::size_t crc_position = 17;
  constexpr std::size_t covered = 21;
  put(batch, crc_position, protocol::crc32c(std::span(batch).subspan(covered)), 4, true);
  return batch;
}

std::shared_ptr<bytes> raw_frame(std::uint32_t frame_length, std::uint32_t header_length,
                                 std::size_t actual) {
  auto raw = std::make_shared<bytes>(8 + actual);
  put(*raw, 0, frame_length, 4);
  put(*raw, 4, header_length, 4);
  return raw;
}

struct greeted : scene {
  greeted() {
    greet();
    create("orders", 2);
  }
};

}  // namespace

TEST_CASE("a header of zeros, or of noise, closes the connection with protocol_error") {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    greeted on;
    auto raw = raw_frame(4 + 64, 64, 64);
    for (std::size_t i = 8; round > 0 && i < raw->size(); ++i) (*raw)[i] = static_cast<std::byte>(random());
    REQUIRE(on.send_raw(raw));
    CHECK(on.answer().closing() == errc::protocol_error);
    CHECK(on.conversation->finished());
  }
}

TEST_CASE("a header that was changed in any one byte never does harm") {
  protocol::frame_writer writer;
  auto& builder = writer.begin();
  const auto text = builder.CreateString("orders");
  const auto front =
      writer.finish(5, wire::CreateSubscribe(builder, 1, text, 0, wire::Start::earliest, 0, 1000, 1000));
  for (std::size_t at = 8; at < front.size(); ++at) {
    for (const unsigned change : {0x01u, 0x80u, 0xffu}) {
      greeted on;
      auto raw = std::make_shared<bytes>(front.begin(), front.end());
      (*raw)[at] ^= static_cast<std::byte>(change);
      REQUIRE(on.send_raw(raw));
      const auto said = on.replies();
      if (on.conversation->finished()) {
        REQUIRE(said.size() == 1);
        CHECK(said[0].closing() == errc::protocol_error);
      }
    }
  }
}

TEST_CASE("a truncated header closes the connection") {
  protocol::frame_writer writer;
  auto& builder = writer.begin();
  const auto text = builder.CreateString("orders");
  const auto front = writer.finish(5, wire::CreateDescribeTopic(builder, text));
  constexpr std::size_t padding = 3;  // at the end of the string, which nobody misses
  for (std::size_t length = 0; length + 8 + padding < front.size(); ++length) {
    greeted on;
    auto raw = raw_frame(static_cast<std::uint32_t>(4 + length), static_cast<std::uint32_t>(length), length);
    std::copy_n(front.begin() + 8, length, raw->begin() + 8);
    if (!on.send_raw(raw)) continue;  // refused by its bounds
    const auto said = on.replies();
    REQUIRE(said.size() == 1);
    CHECK(said[0].closing() == errc::protocol_error);
  }
}

TEST_CASE("a client does not say what is the broker's to say") {
  greeted on;
  on.send(4, [](auto& b) { return wire::CreatePong(b); });
  CHECK(on.answer().closing() == errc::protocol_error);
}

TEST_CASE("after a broken frame nothing more is taken from the client") {
  greeted on;
  on.send_raw(raw_frame(4 + 16, 16, 16));
  on.replies();
  on.send_publish(3, "orders", 0, make_batch({"a"}));
  CHECK(on.replies().empty());
  CHECK(on.shard.appends_seen == 0);
}

TEST_CASE("a batch with a bad checksum, in any byte, is refused, and the next one is not") {
  greeted on;
  const bytes good = make_batch({"hello"});
  constexpr std::size_t covered_from = 21;
  for (std::size_t at = covered_from; at < good.size(); ++at) {
    bytes bad = good;
    bad[at] ^= std::byte{0x10};
    CHECK(on.publish("orders", 0, bad) == errc::corrupt_batch);
  }
  CHECK(on.shard.appends_seen == 0);
  CHECK(on.publish("orders", 0, good) == errc::ok);
}

TEST_CASE("a batch whose count is wrong is refused though its checksum is right") {
  greeted on;
  constexpr std::size_t count_position = 57;
  for (const std::uint32_t count : {0u, 1u, 3u, 1000u, 0xffffffffu}) {
    bytes batch = make_batch({"one", "two"});
    put(batch, count_position, count, 4, true);
    CHECK(on.publish("orders", 0, with_checksum(batch)) == errc::corrupt_batch);
  }
  CHECK(on.shard.appends_seen == 0);
}

TEST_CASE("an append whose length is not its batch's is refused") {
  greeted on;
  bytes longer = make_batch({"a"});
  longer.push_back(std::byte{0});
  CHECK(on.publish("orders", 0, longer) == errc::corrupt_batch);
  const bytes whole = make_batch({"a"});
  CHECK(on.publish("orders", 0, bytes(whole.begin(), whole.end() - 1)) == errc::corrupt_batch);
  CHECK(on.publish("orders", 0, bytes(10)) == errc::corrupt_batch);
}

TEST_CASE("a compression bomb is refused at the limit") {
  for (const compression with : {compression::lz4, compression::zstd}) {
    greeted on;
    const std::string zeros(15u << 20, '0');
    const bytes bomb = make_batch({zeros, zeros, zeros, zeros, zeros}, 1000, {.compression = with});
    REQUIRE(bomb.size() < 1u << 20);
    CHECK(on.publish("orders", 0, bomb) == errc::batch_too_large);
    CHECK(on.shard.appends_seen == 0);
  }
}

TEST_CASE("an unknown compression is named as such") {
  greeted on;
  bytes batch = make_batch({"a"});
  put(batch, 21, 5, 2, true);
  CHECK(on.publish("orders", 0, with_checksum(batch)) == errc::unsupported_compression);
}

TEST_CASE("bad topic names are refused by the rule they break") {
  greeted on;
  const std::string too_long(250, 'a');
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("a b"), std::string("a/b"),
        std::string("\xff\xfe"), std::string("__internal"), std::string("a\0b", 3), too_long}) {
    CAPTURE(name);
    CHECK(on.ask(5, [&](auto& b) { return wire::CreateCreateTopic(b, b.CreateString(name)); }).error() ==
          errc::invalid_topic_name);
    CHECK(on.publish(name, 0, make_batch({"a"})) == errc::invalid_topic_name);
  }
}

TEST_CASE("an unknown topic is named without repeating unprintable bytes") {
  greeted on;
  const reply is =
      on.ask(5, [](auto& b) { return wire::CreateDescribeTopic(b, b.CreateString("no\x1b[2Jpe")); });
  CHECK(is.error() == errc::unknown_topic);
  const std::string message(protocol::text(is.frame().body_as_Error()->message()));
  CHECK(message.find('\x1b') == std::string::npos);
  CHECK(message.find("\\x1b") != std::string::npos);
}

TEST_CASE("topic settings out of range are refused with the name of the setting") {
  struct bad {
    const char* names;
    std::function<void(wire::TopicSettingsBuilder&)> set;
  };
  const std::vector<bad> all = {{"partitions", [](auto& s) { s.add_partitions(0); }},
                                {"partitions", [](auto& s) { s.add_partitions(65'537); }},
                                {"retention_bytes", [](auto& s) { s.add_retention_bytes(0); }},
                                {"retention_ms", [](auto& s) { s.add_retention_ms(-2); }},
                                {"bytes_max", [](auto& s) { s.add_bytes_max(-7); }},
                                {"record_bytes_max", [](auto& s) { s.add_record_bytes_max(0); }},
                                {"batch_bytes_max", [](auto& s) { s.add_batch_bytes_max(1u << 30); }},
                                {"compact_after_ms", [](auto& s) { s.add_compact_after_ms(-1); }},
                                {"keep_tombstones_ms", [](auto& s) { s.add_keep_tombstones_ms(-1); }}};
  greeted on;
  for (const bad& one : all) {
    const reply is = on.ask(5, [&](auto& b) {
      const auto name = b.CreateString("t");
      wire::TopicSettingsBuilder settings(b);
      one.set(settings);
      return wire::CreateCreateTopic(b, name, settings.Finish());
    });
    CHECK(is.error() == errc::invalid_settings);
    CHECK(protocol::text(is.frame().body_as_Error()->message()).starts_with(one.names));
  }
  CHECK_FALSE(on.shard.topics.contains("t"));
}

TEST_CASE("subscriptions are limited, numbered once, and end when asked") {
  greeted on;
  on.settings.subscriptions_max = 1;
  on.send_subscribe(4, "orders", 1, 1000);
  CHECK(on.answer().type() == wire::Body::SubscribeOk);
  on.send_subscribe(5, "orders", 1, 1000);
  CHECK(on.answer().error() == errc::invalid_request);
  on.send_subscribe(6, "orders", 2, 1000);
  CHECK(on.answer().error() == errc::overloaded);
  CHECK(on.ask(7, [](auto& b) { return wire::CreateUnsubscribe(b, 1); }).type() == wire::Body::Ok);
  CHECK(on.ask(8, [](auto& b) { return wire::CreateUnsubscribe(b, 1); }).error() ==
        errc::unknown_subscription);
  CHECK(on.counts.subscriptions == 0);
  CHECK(on.shard.waits() == 0);
}

TEST_CASE("starts that make no sense are refused") {
  greeted on;
  const auto twice = [](auto& b) {
    const auto start = wire::CreatePartitionStart(b, 1);
    return wire::CreateSubscribe(b, 1, b.CreateString("orders"), b.CreateVector(std::vector{start, start}));
  };
  CHECK(on.ask(5, twice).error() == errc::invalid_request);
  const auto beyond = [](auto& b) {
    const auto start = wire::CreatePartitionStart(b, 9);
    return wire::CreateSubscribe(b, 1, b.CreateString("orders"), b.CreateVector(std::vector{start}));
  };
  CHECK(on.ask(6, beyond).error() == errc::unknown_partition);
  on.send_subscribe(7, "nothing", 1, 1000);
  CHECK(on.answer().error() == errc::unknown_topic);
  CHECK(on.counts.subscriptions == 0);
}

TEST_CASE("credit for a subscription that does not exist is ignored; seeking one is an error") {
  greeted on;
  on.send(4, [](auto& b) { return wire::CreateCredit(b, 77, 1000); });
  CHECK(on.replies().empty());
  CHECK(on.ask(5, [](auto& b) { return wire::CreateSeek(b, 77, 1); }).error() == errc::unknown_subscription);
}

}  // namespace skald::server::test
