// SIGKILL of a relay's process and of the broker at random moments: every committed row is in its topic once,
// in order, and nothing that was rolled back.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>
#include <skald/outbox/transaction.hpp>
#include <skald/skald.hpp>
#include <thread>

#include "tests/effort.hpp"
#include "tests/system/outbox/databases.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
using outbox::transaction;

constexpr int keys = 5;
constexpr std::uint32_t partitions = 3;

// What a topic holds: the numbers of each key in order, and the message ids, of which each has to be new.
struct contents {
  std::map<std::string, std::vector<int>> numbers;
  std::map<std::string, int> ids;
  int records = 0;
};

contents read_all(blocking_client& broker, const std::string& topic) {
  contents result;
  for (const partition_info& each : broker.describe_topic(topic).partitions)
    for (offset at = each.log_start; at < each.end;) {
      const records some = broker.fetch(topic, each.partition, at);
      for (const record& one : some) {
        ++result.records;
        ++result.ids[tracing::message_id_of(one)];
        result.numbers[std::string(one.key().value_or(""))].push_back(std::stoi(std::string(*one.value())));
      }
      at = some.end_offset();
    }
  return result;
}

// A service that numbers its rows by key, and rolls some back.
class writer {
 public:
  template <class Database>
  explicit writer(const Database& database)
      : thread_([this, store = std::shared_ptr<outbox::store>(database.open())] { write(*store); }) {}
  int committed() const { return committed_; }
  const std::map<std::string, int>& stop() {
    stop_ = true;
    thread_.join();
    return next_;
  }

 private:
  void write(outbox::store& store) {
    std::mt19937 random(7);
    while (!stop_) {
      transaction change(store);
      const std::string key = "k" + std::to_string(random() % keys);
      const int number = next_[key];
      const std::string value = std::to_string(number);
      change.publish("events", {.key = key, .value = value});
      if (random() % 5 == 0) continue;
      change.commit();
      next_[key] = number + 1;
      ++committed_;
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<int> committed_{0};
  std::map<std::string, int> next_;
  std::thread thread_;
};

}  // namespace

TEST_CASE_TEMPLATE("rows are published once and in order, whatever is killed", Database, sqlite_database,
                   postgresql_database) {
  const scratch_directory directory;
  skaldd_process server(SKALDD_PROGRAM, directory.path());
  const std::string address = server.address();
  blocking_client broker({.address = address, .timeout = 60s, .reconnect_delay_max = 50ms});
  broker.create_topic("events", {.partitions = partitions});
  const Database database;
  const auto watching = database.open();
  watching->create_tables();

  writer service(database);
  const std::vector<std::string> arguments{Database::name, database.where(), address};
  auto relay = std::make_unique<child_process>(RELAY_PROGRAM, arguments);
  REQUIRE(relay->wait_output("ready"));
  std::mt19937 random(static_cast<unsigned>(std::random_device{}()));
  const std::uint64_t rounds = number_from_environment("SKALD_KILL_ROUNDS", 10);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    // Every round has the relay publish something before the next kill, which comes at any of its steps.
    const auto before = read_all(broker, "events").records;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (read_all(broker, "events").records == before && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    if (round % 3 == 2) {
      server.kill();
      server.start();
    }
    relay->send_signal(SIGKILL);
    relay->wait();
    relay = std::make_unique<child_process>(RELAY_PROGRAM, arguments);
    REQUIRE(relay->wait_output("ready"));
  }
  const auto& expected = service.stop();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (watching->statistics().unsent > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(1ms);
  const std::string said = relay->errors();
  CHECK_MESSAGE(watching->statistics().unsent == 0, said);

  const contents found = read_all(broker, "events");
  CHECK(found.records == service.committed());
  CHECK(found.ids.size() == static_cast<std::size_t>(found.records));
  for (const auto& [key, next] : expected) {
    std::vector<int> wanted(static_cast<std::size_t>(next));
    for (int i = 0; i < next; ++i) wanted[static_cast<std::size_t>(i)] = i;
    const auto at = found.numbers.find(key);
    CHECK((next == 0 || (at != found.numbers.end() && at->second == wanted)));
  }
  relay->send_signal(SIGKILL);
  relay->wait();
  CHECK(server.stop().exit_code == 0);
}

}  // namespace skald::tests
