// SIGKILL of the broker at random moments while units of work are on their way: each is done once and whole.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <skald/skald.hpp>
#include <string>
#include <thread>

#include "tests/effort.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;

constexpr int keys = 5;

std::map<std::string, int> counted(blocking_client& broker, const std::string& topic) {
  std::map<std::string, int> by_value;
  const topic_info about = broker.describe_topic(topic);
  for (const partition_info& each : about.partitions) {
    for (offset at = each.log_start; at < each.end;) {
      const records some = broker.fetch(topic, each.partition, at);
      for (const record& one : some) ++by_value[std::string(one.value().value_or(""))];
      at = some.end_offset();
    }
  }
  return by_value;
}

}  // namespace

TEST_CASE("units of work are done once and whole, whenever the broker is killed") {
  const scratch_directory directory;
  skaldd_process server(SKALDD_PROGRAM, directory.path());
  const std::string address = server.address();
  blocking_client setup({.address = address});
  setup.create_topic("left", {.partitions = 2});
  setup.create_topic("right", {.partitions = 2, .index = topic_index::key});

  std::atomic<bool> stop{false};
  std::atomic<int> acknowledged{0};
  std::map<std::string, std::uint64_t> versions;  // of each key, as the broker acknowledged them
  std::thread worker([&] {
    blocking_client broker(
        {.address = address, .timeout = 60s, .reconnect_delay_min = 5ms, .reconnect_delay_max = 50ms});
    while (!stop) {
      const int number = acknowledged;
      const std::string key = "k" + std::to_string(number % keys);
      const std::string value = std::to_string(number);
      commit effect;
      effect.append("left", {.key = key, .value = value});
      // A repeat that was not recognised would conflict with itself.
      effect.append("right", {.key = key, .value = value}).expect_version(versions[key]);
      versions[key] = broker.commit(std::move(effect)).appends.at(1).version;
      ++acknowledged;
    }
  });

  std::mt19937 random(static_cast<unsigned>(std::random_device{}()));
  const std::uint64_t rounds = number_from_environment("SKALD_KILL_ROUNDS", 10);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const int before = acknowledged;
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 40));
    server.kill();
    server.start();
    // Every round makes progress before the next kill.
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (acknowledged == before && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(1ms);
    REQUIRE(acknowledged > before);
  }
  stop = true;
  worker.join();

  const auto left = counted(setup, "left");
  const auto right = counted(setup, "right");
  CHECK(static_cast<int>(left.size()) == acknowledged);
  CHECK(left == right);
  for (const auto& [value, times] : left) CHECK_MESSAGE(times == 1, value);
  CHECK(server.stop().exit_code == 0);
  const process_result verified =
      run_process(SKALDD_PROGRAM, {"verify", "--data-dir", directory.path().string()});
  const std::string findings = verified.output + verified.errors;
  CHECK_MESSAGE(verified.exit_code == 0, findings);
}

}  // namespace skald::tests
