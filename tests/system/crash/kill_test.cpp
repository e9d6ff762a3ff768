// SIGKILL at random moments, under load: nothing acknowledged is lost, nothing appears twice, the order of
// each partition and producer holds, and no torn tail stops a start.
//
// Three producers publish to four partitions, each with another compression; a subscriber follows everything.
// All of them stay connected, or rather reconnect, through every kill. SKALD_KILL_ROUNDS says how often
// (50; 12 under a sanitizer and where CI is set), SKALD_KILL_SEED repeats the moments of an earlier run.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>

#include "tests/effort.hpp"
#include "tests/system/crash/numbered_load.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {
namespace {

constexpr const char* topic = "crash";
constexpr std::uint32_t partitions = 4;

// Follows the topic on a thread of its own, through every reconnection, and checks what it gets.
class follower {
 public:
  explicit follower(const std::string& address)
      : broker_({.address = address,
                 .reconnect_delay_min = milliseconds(5),
                 .reconnect_delay_max = milliseconds(50)}),
        subscription_(broker_.subscribe(topic, {.from = earliest})),
        mistakes_(std::async(std::launch::async, [this] { return follow(); })) {}
  ~follower() { subscription_.close(); }

  // Waits until it has read this many records; returns what was wrong with them.
  std::vector<std::string> finish(std::uint64_t records) {
    wanted_ = records;
    if (mistakes_.wait_for(patience) != std::future_status::ready) {
      subscription_.close();
      auto mistakes = mistakes_.get();
      mistakes.push_back("received " + std::to_string(reader_.total()) + " records of " +
                         std::to_string(records));
      return mistakes;
    }
    return mistakes_.get();
  }

 private:
  std::vector<std::string> follow() {
    std::vector<std::string> mistakes;
    try {
      while (reader_.total() < wanted_) {
        const auto delivered = subscription_.receive_for(milliseconds(50));
        if (!delivered) continue;  // the number of records to wait for may be known by now
        if (delivered->gap()) mistakes.emplace_back("a gap was reported");
        for (const record& each : *delivered) {
          if (auto wrong = reader_.accept(each)) mistakes.push_back(std::move(*wrong));
        }
      }
    } catch (const error& failed) {
      if (failed.code() != errc::closed) mistakes.push_back(failed.message());
    }
    return mistakes;
  }

  blocking_client broker_;
  blocking_subscription subscription_;
  numbered_reader reader_;
  std::atomic<std::uint64_t> wanted_{~std::uint64_t{0}};
  std::future<std::vector<std::string>> mistakes_;
};

std::vector<std::unique_ptr<numbered_sender>> start_senders(const std::string& address,
                                                            std::mt19937_64& random) {
  std::vector<std::unique_ptr<numbered_sender>> senders;
  for (const compression compressed : {compression::none, compression::lz4, compression::zstd}) {
    const auto id = static_cast<std::uint32_t>(senders.size());
    senders.push_back(
        std::make_unique<numbered_sender>(id, address, topic, partitions, compressed, random()));
  }
  return senders;
}

std::vector<std::uint64_t> acknowledged_by_all(const std::vector<std::unique_ptr<numbered_sender>>& senders) {
  std::vector<std::uint64_t> sum(partitions);
  for (const auto& sender : senders) {
    const std::vector<std::uint64_t> counts = sender->acknowledged();
    for (std::uint32_t partition = 0; partition < partitions; ++partition)
      sum[partition] += counts[partition];
  }
  return sum;
}

std::vector<std::string> read_everything(const std::string& address, numbered_reader& reader) {
  std::vector<std::string> mistakes;
  blocking_client broker({.address = address});
  std::map<partition_id, offset> ends;
  for (const partition_offset& end : broker.list_offsets(topic)) ends[end.partition] = end.offset;
  for (const auto& [partition, end] : ends) {
    for (offset next(0); next < end;) {
      const records fetched = broker.fetch(topic, partition, next, {.bytes_max = 4 << 20});
      if (fetched.empty()) throw std::runtime_error("nothing to fetch before the end of a partition");
      for (const record& each : fetched) {
        if (each.offset() != next)
          mistakes.push_back("offset " + std::to_string(next.value()) + " is missing");
        next = each.offset() + 1;
        if (auto wrong = reader.accept(each)) mistakes.push_back(std::move(*wrong));
      }
    }
  }
  return mistakes;
}

void check_none(const std::vector<std::string>& mistakes) {
  CHECK(mistakes.size() == 0);
  for (std::size_t i = 0; i < mistakes.size() && i < 10; ++i) FAIL_CHECK(mistakes[i]);
}

void check_verified(const std::filesystem::path& data_directory) {
  const process_result verified =
      run_process(SKALDD_PROGRAM, {"verify", "--data-dir", data_directory.string()});
  CHECK_MESSAGE(verified.exit_code == 0, verified.output << verified.errors);
}

TEST_CASE("SIGKILL at random moments under load loses, repeats and reorders nothing that was acknowledged") {
  const std::uint64_t rounds =
      number_from_environment("SKALD_KILL_ROUNDS", sanitized || std::getenv("CI") != nullptr ? 12 : 50);
  const std::uint64_t seed = number_from_environment("SKALD_KILL_SEED", std::random_device{}());
  std::cout << "SKALD_KILL_ROUNDS=" << rounds << " SKALD_KILL_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);

  const scratch_directory scratch;
  const std::filesystem::path data = scratch.path() / "data";
  skaldd_process broker(SKALDD_PROGRAM, data);
  blocking_client({.address = broker.address()}).create_topic(topic, {.partitions = partitions});
  follower subscriber(broker.address());
  auto senders = start_senders(broker.address(), random);

  for (std::uint64_t round = 1; round <= rounds; ++round) {
    CAPTURE(round);
    std::this_thread::sleep_for(milliseconds(random() % 250));
    const std::vector<std::uint64_t> acknowledged = acknowledged_by_all(senders);
    broker.kill();
    if (round % 10 == 0) check_verified(data);
    broker.start();
    blocking_client fresh({.address = broker.address()});
    for (const partition_offset& end : fresh.list_offsets(topic)) {
      CHECK(end.offset.value() >= acknowledged[end.partition.value()]);
    }
    for (const auto& sender : senders) REQUIRE(sender->failure().value_or("") == "");
  }

  std::uint64_t total = 0;
  for (const auto& sender : senders) {
    sender->finish();
    REQUIRE(sender->failure().value_or("") == "");
    CHECK(sender->acknowledged() == sender->sent());
    total = std::accumulate(sender->sent().begin(), sender->sent().end(), total);
  }
  check_none(subscriber.finish(total));
  CHECK(broker.stop().exit_code == 0);
  check_verified(data);

  broker.start();
  numbered_reader reader;
  check_none(read_everything(broker.address(), reader));
  CHECK(reader.total() == total);
  for (const auto& sender : senders) {
    for (std::uint32_t partition = 0; partition < partitions; ++partition) {
      CHECK(reader.count(sender->id(), partition) == sender->sent()[partition]);
    }
  }
  std::cout << total << " records survived " << rounds << " kills" << std::endl;
}

}  // namespace
}  // namespace skald::tests
