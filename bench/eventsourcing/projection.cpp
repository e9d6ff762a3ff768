// How many events a second a projection applies to a read model in SQLite that keeps a row for each key, its
// transactions durable. Broker and projection share the machine, the broker in this process.
//
//   projection_bench [events] [keys]
#include <sqlite3.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <skald/broker.hpp>
#include <skald/eventsourcing/projection.hpp>
#include <string>

namespace {

// How many events each key has had, and the last of them.
class latest_events final : public skald::eventsourcing::read_model {
 public:
  explicit latest_events(sqlite3* db) {
    sqlite3_exec(db, "CREATE TABLE IF NOT EXISTS latest (key TEXT PRIMARY KEY, events INTEGER, value TEXT)",
                 nullptr, nullptr, nullptr);
    sqlite3_prepare_v2(db,
                       "INSERT INTO latest VALUES (?1, 1, ?2) ON CONFLICT DO UPDATE SET events = events + 1, "
                       "value = excluded.value",
                       -1, &upsert_, nullptr);
  }
  ~latest_events() override { sqlite3_finalize(upsert_); }

  void apply(const skald::record& event) override {
    const auto bind = [&](int at, std::string_view text) {
      sqlite3_bind_text(upsert_, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    };
    bind(1, event.key().value_or(""));
    bind(2, event.value().value_or(""));
    sqlite3_step(upsert_);
    sqlite3_reset(upsert_);
  }

 private:
  sqlite3_stmt* upsert_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) try {
  const int events = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  const int keys = argc > 2 ? std::atoi(argv[2]) : 10'000;
  std::string name = (std::filesystem::current_path() / "projection-bench-XXXXXX").string();
  const std::filesystem::path directory = ::mkdtemp(name.data());
  {
    skald::broker server({.data_directory = directory / "broker", .port = 0});
    server.start();
    const std::string address = "127.0.0.1:" + std::to_string(server.port());
    skald::blocking_client broker({.address = address, .timeout = skald::milliseconds(60'000)});
    broker.create_topic("events", {.partitions = 4});
    skald::blocking_producer producer(broker);
    const std::string value(100, 'v');
    for (int i = 0; i < events; ++i) {
      const std::string key = "customer-" + std::to_string(i % keys);
      producer.send("events", {.key = key, .value = value});
    }
    producer.flush();

    skald::eventsourcing::projection latest(broker, directory,
                                            {.name = "latest", .topic = "events", .make = [](sqlite3* db) {
                                               return std::make_unique<latest_events>(db);
                                             }});
    const auto begin = std::chrono::steady_clock::now();
    while (latest.statistics().applied < static_cast<std::uint64_t>(events))
      latest.run_once(skald::milliseconds(100));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << events << " events of 100 B, " << keys
              << " keys: " << static_cast<std::uint64_t>(events / took.count()) << " events/s\n";
  }
  std::filesystem::remove_all(directory);
} catch (const std::exception& failed) {
  std::cerr << failed.what() << '\n';
  return 1;
}
