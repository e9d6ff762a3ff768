// SIGKILL while batches are written anew with fewer records: the newest record of every key stays, what is
// older goes or stays as it was, and what was deleted does not come back.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <skald/skald.hpp>

#include "tests/effort.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {
namespace {

constexpr const char* topic = "latest";
constexpr std::uint32_t keys = 4'000;

struct newest_value {
  std::uint64_t version = 0;
  bool deleted = false;
};
using newest_values = std::map<std::string, newest_value>;

std::string text_of(std::uint64_t version) {
  std::string text = std::to_string(version) + ' ';
  text.resize(100, '.');
  return text;
}

// Gives random keys their next value, or deletes them: several records to a batch, and several batches.
// Returns how many records.
std::uint64_t update(blocking_client& broker, std::mt19937_64& random, newest_values& known) {
  std::uint64_t records = 0;
  for (int commits = 0; commits < 8; ++commits) {
    commit effect;
    for (int i = 0; i < 500; ++i) {
      const std::string key = "k" + std::to_string(random() % keys);
      newest_value& newest = known[key];
      ++newest.version;
      newest.deleted = random() % 10 == 0;
      const std::string text = text_of(newest.version);
      message one{.key = key, .value = text};
      if (newest.deleted) one.value.reset();
      effect.append(topic, one);
      ++records;
    }
    broker.commit(std::move(effect));  // repeated until it is answered
  }
  return records;
}

// What is stored, from the oldest record on: each key's last value is its newest, and the versions of a key
// only grow. Returns how many records there are.
std::uint64_t check_everything(blocking_client& broker, const newest_values& known) {
  newest_values found;
  std::uint64_t records = 0;
  for (const partition_offset& end : broker.list_offsets(topic)) {
    for (offset next(0); next < end.offset;) {
      const skald::records some = broker.fetch(topic, end.partition, next, {.bytes_max = 4 << 20});
      REQUIRE(some.end_offset() > next);
      next = some.end_offset();
      for (const record& each : some) {
        ++records;
        newest_value& newest = found[std::string(each.key().value())];
        newest.deleted = !each.value();
        if (newest.deleted) continue;
        const std::uint64_t version = std::stoull(std::string(*each.value()));
        REQUIRE(version > newest.version);
        newest.version = version;
      }
    }
  }
  for (const auto& [key, newest] : known) {
    const auto at = found.find(key);
    CAPTURE(key);
    if (newest.deleted) {
      CHECK((at == found.end() || at->second.deleted));
    } else {
      REQUIRE(at != found.end());
      CHECK_FALSE(at->second.deleted);
      CHECK(at->second.version == newest.version);
    }
  }
  return records;
}

TEST_CASE("SIGKILL during compaction loses no newest record and brings nothing back that was deleted") {
  const std::uint64_t rounds =
      number_from_environment("SKALD_KILL_ROUNDS", sanitized || std::getenv("CI") != nullptr ? 8 : 25);
  const std::uint64_t seed = number_from_environment("SKALD_KILL_SEED", std::random_device{}());
  std::cout << "SKALD_KILL_ROUNDS=" << rounds << " SKALD_KILL_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);

  const scratch_directory scratch;
  const std::filesystem::path data = scratch.path() / "data";
  // A round of compaction may begin that often.
  skaldd_process server(SKALDD_PROGRAM, data, {"--retention-interval", "50ms"});
  blocking_client broker({.address = server.address(),
                          .timeout = patience,
                          .reconnect_delay_min = milliseconds(5),
                          .reconnect_delay_max = milliseconds(50)});
  broker.create_topic(topic, {.partitions = 2,
                              .index = topic_index::key,
                              .cleanup = topic_cleanup::compact,
                              .compact_after_ms = 0,
                              .keep_tombstones_ms = 300});
  newest_values known;
  std::uint64_t appended = 0;
  std::uint64_t stored = 0;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    CAPTURE(round);
    appended += update(broker, random, known);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 200'000));
    server.kill();
    server.start();
    stored = check_everything(broker, known);
  }
  CHECK(stored < appended);  // it was compacted
  CHECK(server.stop().exit_code == 0);
  const process_result verified = run_process(SKALDD_PROGRAM, {"verify", "--data-dir", data.string()});
  CHECK_MESSAGE(verified.exit_code == 0, verified.output << verified.errors);
}

}  // namespace
}  // namespace skald::tests
