// Consumers of queues, over the wire.
#include <doctest/doctest.h>

#include <filesystem>

#include "broker/server/server.hpp"
#include "tests/broker/server/raw_client.hpp"

namespace skald::server::test {

namespace {

struct purge_scene {
  purge_scene() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-queue-XXXXXX").string();
    settings.data_directory = ::mkdtemp(name.data());
    settings.port = 0;
    settings.threads = 1;
    settings.session.output_bytes_max = 64u << 10;
    settings.shard.journal.segment_bytes = 32u << 20;
    settings.shard.state_map_bytes = 256u << 20;
    broker = std::make_unique<server>(settings);
    port = broker->start().port;
  }
  ~purge_scene() {
    broker.reset();
    std::filesystem::remove_all(settings.data_directory);
  }

  static void open_queue(raw_client& by, std::uint32_t prefetch) {
    const reply is = by.ask(20, [&](auto& b) {
      const auto topic = b.CreateString("in");
      return wire::CreateOpenQueue(b, 5, topic, b.CreateString("work"), prefetch, 0, true);
    });
    REQUIRE(is.type() == wire::Body::OpenQueueOk);
  }
  static std::uint64_t leased(raw_client& by) {
    const reply is = by.ask(21, [](auto& b) { return wire::CreateDescribeQueueDirect(b, "in", "work"); });
    REQUIRE(is.type() == wire::Body::DescribeQueueOk);
    return is.frame().body_as_DescribeQueueOk()->queue()->leased();
  }

  server_settings settings;
  std::unique_ptr<server> broker;
  std::uint16_t port = 0;
};

}  // namespace

TEST_CASE_FIXTURE(purge_scene, "what is purged is not sent any more, though it was leased") {
  // More in one batch than sockets and their queues hold, so that much of it is leased and waits to be sent.
  constexpr std::uint64_t records = 80;
  raw_client other(port);
  other.greet();
  other.ask(2, [](auto& b) {
    const auto settings =
        wire::CreateTopicSettings(b, 1, std::nullopt, std::nullopt, std::nullopt, 1u << 20, 8u << 20);
    return wire::CreateCreateTopic(b, b.CreateString("in"), settings);
  });
  other.publish("in", make_batch(std::vector<std::string>(records, std::string(100'000, 'x'))));
  raw_client slow(port, 64 << 10);
  open_queue(slow.greet(), 100);
  const auto deadline = steady::now() + std::chrono::seconds(30);
  while (leased(other) < records) REQUIRE(steady::now() < deadline);

  const reply purged = other.ask(22, [](auto& b) { return wire::CreatePurgeQueueDirect(b, "in", "work"); });
  REQUIRE(purged.type() == wire::Body::QueueChanged);
  CHECK(purged.frame().body_as_QueueChanged()->records() == records);
  CHECK(leased(other) == 0);
  other.publish("in", make_batch({"the first after that"}));

  std::uint64_t sent = 0;
  for (std::uint64_t last = 0; last < records;) {
    const auto next = slow.receive();
    REQUIRE(next.has_value());
    const auto* given = next->frame().body_as_QueueDelivery();
    if (given == nullptr) continue;
    for (const wire::LeasedRun* run : *given->runs()) {
      last = run->first() + run->count() - 1;
      sent += run->count();
    }
  }
  CHECK(sent < records);
}

}  // namespace skald::server::test
