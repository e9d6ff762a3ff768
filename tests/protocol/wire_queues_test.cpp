// What a handler of a message about queues may rely on.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/wire.hpp"
#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using builder = flatbuffers::FlatBufferBuilder;

// Whether a frame with this message is accepted.
template <class Build>
bool accepted(std::uint64_t id, Build build, std::size_t payload_bytes = 0) {
  frame_writer writer;
  auto& to = writer.begin();
  const auto body = build(to);
  const auto front = writer.finish(id, body, payload_bytes);
  test::byte_string bytes(front.begin(), front.end());
  bytes.resize(bytes.size() + payload_bytes);
  const auto progress = parse_frame(bytes, {});
  REQUIRE(progress.has_value());
  header_reader reader;
  return reader.read(progress->frame).has_value();
}

}  // namespace

TEST_CASE("a request about a queue names the topic and the queue") {
  CHECK(accepted(1, [](builder& b) {
    const auto topic = b.CreateString("t");
    return wire::CreateDescribeQueue(b, topic, b.CreateString("q"));
  }));
  CHECK_FALSE(accepted(1, [](builder& b) { return wire::CreateDescribeQueue(b, 0, b.CreateString("q")); }));
  CHECK_FALSE(accepted(1, [](builder& b) { return wire::CreateCreateQueue(b, b.CreateString("t"), 0); }));
}

TEST_CASE("a consumer has a number, in what it sends and is sent") {
  const auto open = [](std::uint64_t consumer) {
    return accepted(1, [&](builder& b) {
      const auto topic = b.CreateString("t");
      const auto queue = b.CreateString("q");
      return wire::CreateOpenQueue(b, consumer, topic, queue);
    });
  };
  CHECK(open(7));
  CHECK_FALSE(open(0));
  CHECK_FALSE(accepted(1, [](builder& b) { return wire::CreateCloseQueue(b, 0); }));
  CHECK(accepted(0, [](builder& b) { return wire::CreateQueueNotice(b, 7, 13); }));
  CHECK_FALSE(accepted(0, [](builder& b) { return wire::CreateQueueNotice(b, 7, 0); }));
  CHECK_FALSE(accepted(3, [](builder& b) { return wire::CreateQueueNotice(b, 7, 13); }));
}

TEST_CASE("a delivery has runs, and a payload") {
  const auto delivery = [](std::size_t runs, std::size_t payload) {
    return accepted(
        0,
        [&](builder& b) {
          const std::vector<wire::LeasedRun> list(runs, wire::LeasedRun(1, 2, 3, 1));
          return wire::CreateQueueDelivery(b, 7, 0, b.CreateVectorOfStructs(list));
        },
        payload);
  };
  CHECK(delivery(1, 62));
  CHECK_FALSE(delivery(0, 62));
  CHECK_FALSE(delivery(settled_max + 1, 62));
}

TEST_CASE("what is settled says how, and of how many records") {
  const auto settle = [](wire::Settlement how, std::uint32_t count, std::size_t reason_bytes,
                         flatbuffers::Optional<std::uint64_t> delay) {
    return accepted(1, [&](builder& b) {
      const auto reason = b.CreateString(std::string(reason_bytes, 'r'));
      const auto one = wire::CreateSettled(b, 1, 2, count, how, delay, reason);
      return wire::CreateSettle(b, 7, b.CreateVector(std::vector{one}));
    });
  };
  const flatbuffers::Optional<std::uint64_t> none;
  CHECK(settle(wire::Settlement::ack, 1, 0, none));
  CHECK(settle(wire::Settlement::nack, 9, reason_bytes_max, 5));
  CHECK(settle(wire::Settlement::extend, 1, 0, 5));
  CHECK_FALSE(settle(wire::Settlement::extend, 1, 0, none));
  CHECK_FALSE(settle(wire::Settlement::ack, 0, 0, none));
  CHECK_FALSE(settle(wire::Settlement::reject, 1, reason_bytes_max + 1, none));
  CHECK_FALSE(settle(static_cast<wire::Settlement>(99), 1, 0, none));
  CHECK_FALSE(accepted(1, [](builder& b) { return wire::CreateSettle(b, 7); }));
}

TEST_CASE("what is told of queues is whole") {
  CHECK_FALSE(accepted(1, [](builder& b) { return wire::CreateDescribeQueueOk(b, 0); }));
  CHECK_FALSE(accepted(1, [](builder& b) { return wire::CreateOpenQueueOk(b, 0, 64); }));
  CHECK(accepted(1, [](builder& b) { return wire::CreatePeekQueueOk(b); }, 70));
  CHECK_FALSE(accepted(1, [](builder& b) {
    const auto topic = b.CreateString("t");
    const auto queue = b.CreateString("q");
    return wire::CreateSettleDead(b, topic, queue, 0);
  }));
}

}  // namespace skald::protocol
