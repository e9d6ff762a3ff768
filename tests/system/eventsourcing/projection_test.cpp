// Read models that follow a topic: each record once, whatever fails or is killed; rebuilds beside the live
// one.
#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <random>
#include <skald/broker.hpp>
#include <skald/skald.hpp>
#include <thread>

#include "tests/system/eventsourcing/counting_model.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
using eventsourcing::projection;
using eventsourcing::projection_definition;

projection_definition counting() {
  return {.name = "counts", .topic = "events", .make = [](sqlite3* db) {
            return std::make_unique<counting_model>(db);
          }};
}

struct scene {
  scene() {
    server.start();
    address = "127.0.0.1:" + std::to_string(server.port());
    broker.emplace(client_options{.address = address, .timeout = 60s});
    broker->create_topic("events", {.partitions = 3});
  }
  void publish(int count) {
    blocking_producer producer(*broker);
    for (int i = 0; i < count; ++i, ++published) {
      const std::string key = "k" + std::to_string(published % 5);
      const std::string value = std::to_string(published / 5);
      producer.send("events", {.key = key, .value = value});
    }
    producer.flush();
  }
  void catch_up(projection& what) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (what.lag() > 0 && std::chrono::steady_clock::now() < deadline) what.run_once(10ms);
  }
  void check_all(const projection& what) const {
    const model_reader reader(what.read_model_file().string());
    CHECK(reader.records() == published);
    CHECK(reader.repeated() == 0);
    CHECK(reader.disorder() == 0);
  }

  scratch_directory directory;
  skald::broker server{
      {.data_directory = directory.path() / "broker", .port = 0, .threads = 1, .segment_bytes = 8u << 20}};
  std::filesystem::path models = directory.path() / "models";
  std::string address;
  std::optional<blocking_client> broker;
  int published = 0;
};

// Fails at a chosen record, once it has changed rows.
class failing_model final : public eventsourcing::read_model {
 public:
  failing_model(sqlite3* db, std::atomic<int>& until_failure) : counts_(db), left_(until_failure) {}
  void apply(const record& event) override {
    counts_.apply(event);
    if (--left_ == 0) throw std::runtime_error("the model fails");
  }

 private:
  counting_model counts_;
  std::atomic<int>& left_;
};

}  // namespace

TEST_SUITE("projection") {
  TEST_CASE_FIXTURE(scene, "it follows the topic, and goes on where it was") {
    publish(100);
    {
      projection counts(*broker, models, counting());
      CHECK(counts.lag() == 100);
      catch_up(counts);
      CHECK(counts.statistics().applied == 100);
      check_all(counts);
    }
    publish(50);
    projection counts(*broker, models, counting());
    CHECK(counts.lag() == 50);
    catch_up(counts);
    CHECK(counts.statistics().applied == 50);
    check_all(counts);
  }

  TEST_CASE_FIXTURE(scene, "it follows a pattern of topics, and those that come later") {
    const auto say = [&](const char* topic, const char* key, const char* number) {
      broker->publish(topic, {.key = key, .value = number});
    };
    projection_definition all = counting();
    all.topic = "shop.*";
    broker->create_topic("shop.customers", {.partitions = 2});
    say("shop.customers", "ann", "0");
    {
      projection counts(*broker, models, all);
      catch_up(counts);
      CHECK(counts.statistics().applied == 1);
      broker->create_topic("shop.orders");
      say("shop.orders", "one", "0");
      catch_up(counts);
      CHECK(counts.statistics().applied == 2);
    }
    say("shop.customers", "ann", "1");
    say("shop.orders", "one", "1");
    projection counts(*broker, models, all);
    CHECK(counts.lag() == 2);
    catch_up(counts);
    CHECK(counts.statistics().applied == 2);
    const model_reader reader(counts.read_model_file().string());
    CHECK(reader.records() == 4);
    CHECK(reader.repeated() == 0);
  }

  TEST_CASE_FIXTURE(scene, "a model that fails in the middle is rolled back with its checkpoint") {
    publish(100);
    std::atomic<int> left = 0;
    projection counts(*broker, models, {.name = "counts", .topic = "events", .make = [&](sqlite3* db) {
                                          return std::make_unique<failing_model>(db, left);
                                        }});
    for (const int at : {1, 7, 20}) {
      left = at;
      CHECK_THROWS_AS(
          [&] {
            const auto deadline = std::chrono::steady_clock::now() + patience;
            while (std::chrono::steady_clock::now() < deadline) counts.run_once(10ms);
          }(),
          std::runtime_error);
    }
    catch_up(counts);
    check_all(counts);
  }

  TEST_CASE_FIXTURE(scene, "a rebuild takes over while the live one goes on") {
    publish(500);
    projection counts(*broker, models, counting());
    std::thread live([&] { counts.run(); });
    const auto first = counts.read_model_file();
    std::atomic<bool> done{false};
    std::thread publishing([&] {
      while (!done) publish(10);
    });
    counts.rebuild();
    done = true;
    publishing.join();
    CHECK(counts.read_model_file() != first);
    CHECK(std::filesystem::read_symlink(models / "counts.db") == counts.read_model_file().filename());
    CHECK(std::filesystem::exists(first));
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (counts.lag() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
    counts.stop();
    live.join();
    CHECK(counts.statistics().rebuilds == 1);
    check_all(counts);
  }

  TEST_CASE_FIXTURE(scene, "a rebuild that did not live to take over leaves nothing behind") {
    publish(10);
    std::filesystem::create_directories(models);
    {
      projection counts(*broker, models, counting());
      catch_up(counts);
      counts.rebuild();
    }
    {
      std::ofstream(models / "counts.3.db") << "half of it";
    }
    projection counts(*broker, models, counting());
    CHECK(counts.read_model_file().filename() == "counts.2.db");
    CHECK(!std::filesystem::exists(models / "counts.1.db"));
    CHECK(!std::filesystem::exists(models / "counts.3.db"));
    check_all(counts);
  }

  TEST_CASE("killed at random, it has every record once") {
    const scratch_directory directory;
    skaldd_process server(SKALDD_PROGRAM, directory.path() / "broker");
    const std::string address = server.address();
    blocking_client broker({.address = address, .timeout = 60s, .reconnect_delay_max = 50ms});
    broker.create_topic("events", {.partitions = 3});
    std::atomic<bool> stop{false};
    std::atomic<int> published{0};
    std::thread publishing([&] {
      while (!stop) {
        const std::string key = "k" + std::to_string(published % 5);
        const std::string value = std::to_string(published / 5);
        broker.publish("events", {.key = key, .value = value});
        ++published;
      }
    });
    const std::filesystem::path models = directory.path() / "models";
    const std::vector<std::string> arguments{models.string(), address};
    std::mt19937 random(static_cast<unsigned>(std::random_device{}()));
    for (int round = 0; round < 10; ++round) {
      child_process process(PROJECTION_PROGRAM, arguments);
      REQUIRE(process.wait_output("ready"));
      const auto seen = [&] { return model_reader((models / "counts.db").string()).records(); };
      const auto before = seen();
      const auto deadline = std::chrono::steady_clock::now() + patience;
      while (seen() == before && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 5'000));
      process.send_signal(SIGKILL);
      process.wait();
    }
    stop = true;
    publishing.join();
    projection counts(broker, models, counting());
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (counts.lag() > 0 && std::chrono::steady_clock::now() < deadline) counts.run_once(10ms);
    const model_reader reader(counts.read_model_file().string());
    CHECK(reader.records() == published);
    CHECK(reader.repeated() == 0);
    CHECK(reader.disorder() == 0);
    CHECK(server.stop().exit_code == 0);
  }
}

}  // namespace skald::tests
