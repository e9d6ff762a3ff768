// How many rows a second a relay takes from SQLite to a broker, durably, and where the time goes: reading the
// rows, the broker's commit, removing them. Broker and relay share the machine, the broker in this process.
//
//   outbox_relay_bench [rows] [bytes per row] [rows in a unit of work]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <skald/blocking_client.hpp>
#include <skald/broker.hpp>
#include <skald/outbox/relay.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <skald/outbox/transaction.hpp>
#include <string>

namespace {

using clock_type = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

// A store that counts how long its relay waits for it.
class timed_store final : public skald::outbox::store {
 public:
  explicit timed_store(skald::outbox::store& of) : of_(of) {}
  void create_tables() override { of_.create_tables(); }
  void begin() override { of_.begin(); }
  void commit() override { of_.commit(); }
  void rollback() noexcept override { of_.rollback(); }
  void begin_part() override { of_.begin_part(); }
  void keep_part() override { of_.keep_part(); }
  void undo_part() override { of_.undo_part(); }
  void add(const skald::outbox::new_row& what) override { of_.add(what); }
  bool receive(std::string_view consumer, std::string_view id) override { return of_.receive(consumer, id); }
  void keep_answer(std::string_view consumer, std::string_view id, std::string_view answer) override {
    of_.keep_answer(consumer, id, answer);
  }
  std::optional<std::string> kept_answer(std::string_view consumer, std::string_view id) override {
    return of_.kept_answer(consumer, id);
  }
  std::vector<skald::outbox::row> unsent(std::uint32_t rows, std::uint64_t bytes) override {
    const auto begin = clock_type::now();
    auto result = of_.unsent(rows, bytes);
    reading += clock_type::now() - begin;
    return result;
  }
  void remove(std::span<const std::int64_t> positions) override {
    const auto begin = clock_type::now();
    of_.remove(positions);
    removing += clock_type::now() - begin;
  }
  void park(std::int64_t position, std::string_view reason) override { of_.park(position, reason); }
  std::vector<skald::outbox::parked_row> parked(std::uint32_t rows) override { return of_.parked(rows); }
  std::uint64_t retry_parked() override { return of_.retry_parked(); }
  std::uint64_t clean_inbox(std::chrono::seconds age, std::uint32_t rows) override {
    return of_.clean_inbox(age, rows);
  }
  skald::outbox::outbox_statistics statistics() override { return of_.statistics(); }

  seconds reading{0};
  seconds removing{0};

 private:
  skald::outbox::store& of_;
};

void fill(skald::outbox::store& store, int rows, const std::string& value) {
  store.create_tables();
  constexpr int in_one_transaction = 1'000;
  for (int i = 0; i < rows;) {
    skald::outbox::transaction change(store);
    for (int end = std::min(rows, i + in_one_transaction); i < end; ++i) {
      const std::string key = "customer-" + std::to_string(i % 10'000);
      change.publish("events", {.key = key, .value = value});
    }
    change.commit();
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const int rows = argc > 1 ? std::atoi(argv[1]) : 200'000;
  const std::string value(argc > 2 ? static_cast<std::size_t>(std::atoi(argv[2])) : 200, 'v');
  skald::outbox::relay_options options;
  if (argc > 3) options.batch_rows = static_cast<std::uint32_t>(std::atoi(argv[3]));
  std::string name = (std::filesystem::current_path() / "outbox-bench-XXXXXX").string();
  const std::filesystem::path directory = ::mkdtemp(name.data());
  {
    skald::broker server({.data_directory = directory / "broker", .port = 0});
    server.start();
    const std::string address = "127.0.0.1:" + std::to_string(server.port());
    skald::blocking_client broker({.address = address, .timeout = skald::milliseconds(60'000)});
    broker.create_topic("events", {.partitions = 8});
    skald::outbox::sqlite_store sqlite(directory / "service.db");
    fill(sqlite, rows, value);

    timed_store store(sqlite);
    seconds publishing{0};
    const auto to = skald::outbox::to_broker(broker);
    const skald::outbox::publisher timed = [&](std::span<const skald::outbox::row> some) {
      const auto begin = clock_type::now();
      const auto duplicates = to(some);
      publishing += clock_type::now() - begin;
      return duplicates;
    };
    skald::outbox::relay relay(store, timed, options);
    const auto begin = clock_type::now();
    const std::uint64_t published = relay.run_once();
    const seconds took = clock_type::now() - begin;
    std::cout << std::fixed << std::setprecision(2) << published << " rows of " << value.size() << " B in "
              << took.count()
              << " s: " << static_cast<std::uint64_t>(static_cast<double>(published) / took.count())
              << " rows/s (reading " << store.reading / took * 100 << " %, the broker's commit "
              << publishing / took * 100 << " %, removing " << store.removing / took * 100 << " %)\n";
  }
  std::filesystem::remove_all(directory);
} catch (const std::exception& failed) {
  std::cerr << failed.what() << '\n';
  return 1;
}
