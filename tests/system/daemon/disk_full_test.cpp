// A disk that fills up while publishing: publishes are refused with the reason, reads go on, and when there
// is room again so do publishes. The disk is a small tmpfs in a mount namespace of the broker's own.
#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>

#include "tests/broker/server/raw_client.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using server::test::make_batch;
using server::test::raw_client;

constexpr std::string_view no_namespace = "unshare: ";

// What became of one publish.
errc publish(raw_client& by, const std::string& value) {
  REQUIRE(by.send_publish(3, "orders", 0, make_batch({value})));
  const auto is = by.answer(3);
  REQUIRE(is.frame().body_as_PublishOk() != nullptr);
  return static_cast<errc>(is.frame().body_as_PublishOk()->appended()->Get(0)->code());
}

}  // namespace

TEST_CASE("a full disk refuses publishes until there is room, and nothing else suffers") {
  const scratch_directory in;
  const std::string mount = in.path().string();
  const std::string command =
      "mount -t tmpfs -o size=160m none " + mount + " && dd if=/dev/zero of=" + mount +
      "/filler bs=1M count=60 2>/dev/null && exec " SKALDD_PROGRAM " --data-dir " + mount +
      "/data --listen 127.0.0.1:0 --segment-bytes 8MiB --reserve-bytes 4MiB"
      " --state-map-bytes 64MiB";
  child_process broker("/usr/bin/unshare", {"--mount", "--propagation", "private", "/bin/sh", "-c", command});
  if (!broker.wait_errors("is ready on 127.0.0.1:")) {
    const process_result ended = broker.wait();
    REQUIRE_MESSAGE(ended.errors.starts_with(no_namespace), ended.errors);
    MESSAGE("skipped: this user may not have a mount namespace");
    return;
  }
  const std::string log = broker.errors();
  const std::string ready = "is ready on 127.0.0.1:";
  raw_client client(static_cast<std::uint16_t>(std::stoul(log.substr(log.find(ready) + ready.size()))));
  client.greet();
  client.create("orders");

  const std::string value(500'000, 'x');
  std::size_t stored = 0;
  errc refused = errc::ok;
  while (refused == errc::ok && stored < 1000) {
    refused = publish(client, value);
    stored += refused == errc::ok ? 1 : 0;
  }
  CHECK(refused == errc::storage_full);
  CHECK(stored > 10);
  const auto status = client.ask(7, [](auto& b) { return wire::CreateStatus(b); });
  CHECK(status.frame().body_as_StatusOk()->storage_full());

  const auto first =
      client.ask(8, [](auto& b) { return wire::CreateFetch(b, b.CreateString("orders"), 0, 0, 1); });
  CHECK(first.payload.size() > value.size());

  // The broker's root is where its mounts can be seen from outside.
  REQUIRE(std::filesystem::remove("/proc/" + std::to_string(broker.id()) + "/root" + mount + "/filler"));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  errc again = errc::storage_full;
  while (again == errc::storage_full && std::chrono::steady_clock::now() < deadline)
    again = publish(client, "small");
  CHECK(again == errc::ok);
  ++stored;

  const auto topic =
      client.ask(9, [](auto& b) { return wire::CreateDescribeTopic(b, b.CreateString("orders")); });
  REQUIRE(topic.frame().body_as_DescribeTopicOk() != nullptr);
  CHECK(topic.frame().body_as_DescribeTopicOk()->topic()->partitions()->Get(0)->end() == stored);
  broker.send_signal(SIGTERM);
  while (client.receive()) {
  }
  client.close();
  CHECK(broker.wait().exit_code == 0);
}

}  // namespace skald::tests
