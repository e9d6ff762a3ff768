// Queues and SIGKILL: what was acknowledged never comes back, what was not is never lost.
#include <signal.h>

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <skald/skald.hpp>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {
namespace {

template <class Condition>
bool eventually(Condition holds) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return true;
    std::this_thread::yield();
  }
  return false;
}

void check_verified(const std::filesystem::path& data) {
  const process_result verified = run_process(SKALDD_PROGRAM, {"verify", "--data-dir", data.string()});
  CHECK_MESSAGE(verified.exit_code == 0, verified.output << verified.errors);
}

// What is known of the numbers that were published: which were received, and which are settled for good.
class ledger {
 public:
  void received(int number) {
    const std::lock_guard lock(mutex_);
    seen_.insert(number);
  }
  void settled(const std::vector<int>& numbers) {
    const std::lock_guard lock(mutex_);
    settled_.insert(numbers.begin(), numbers.end());
  }
  std::size_t settled() const {
    const std::lock_guard lock(mutex_);
    return settled_.size();
  }
  std::size_t seen() const {
    const std::lock_guard lock(mutex_);
    return seen_.size();
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::set<int> seen_;
  std::set<int> settled_;
};

// How many records a queue knows to be settled: none of them comes again.
std::size_t settled_in(const queue_info& queue) {
  std::size_t sum = 0;
  for (const queue_partition& one : queue.partitions) sum += one.floor.value() + one.settled_above;
  return sum;
}

// Takes and acknowledges until told to stop, through every loss of the connection. Now and then it fails a
// record, or gives one back.
void work(const std::string& address, std::uint64_t seed, ledger& book, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  blocking_client broker(
      {.address = address, .reconnect_delay_min = milliseconds(5), .reconnect_delay_max = milliseconds(50)});
  blocking_queue queue = broker.open_queue("orders", "billing", {.prefetch = 32, .timeout = patience});
  std::vector<int> acknowledged;
  while (!stop) {
    const auto some = queue.receive_for(milliseconds(20));
    if (!some) continue;
    for (const delivery& one : *some) {
      const int number = std::stoi(std::string(one.value().value()));
      book.received(number);
      const auto dice = random() % 20;
      if (dice == 0) {
        queue.nack(one, milliseconds(random() % 50));
      } else if (dice == 1) {
        queue.release(one);
      } else {
        queue.ack(one);
        acknowledged.push_back(number);
      }
    }
    try {
      queue.flush({.timeout = patience});
      book.settled(acknowledged);
    } catch (const error&) {
      // Some of them may not be settled, and nobody knows which: they may come again.
    }
    acknowledged.clear();
  }
}

}  // namespace

TEST_CASE("A consumer that is killed gives its leases back at once") {
  const scratch_directory scratch;
  skaldd_process broker(SKALDD_PROGRAM, scratch.path() / "data");
  blocking_client client({.address = broker.address()});
  client.create_topic("orders");
  client.create_queue("orders", "billing", {.lease = std::chrono::hours(1)});
  child_process consumer(SKALD_PROGRAM, {"-b", broker.address(), "sub", "orders", "--queue", "billing"});
  REQUIRE(eventually([&] { return client.describe_queue("orders", "billing").consumers == 1; }));
  consumer.send_signal(SIGSTOP);
  for (int i = 0; i < 10; ++i) client.publish("orders", {.value = std::to_string(i)});
  REQUIRE(eventually([&] { return client.describe_queue("orders", "billing").leased == 10; }));

  consumer.send_signal(SIGKILL);
  blocking_queue other = client.open_queue("orders", "billing");
  std::set<std::string> seen;
  while (seen.size() < 10) {
    const auto some = other.receive_for(patience);
    REQUIRE(some);
    for (const delivery& one : *some) {
      CHECK(one.attempt() == 2);
      seen.emplace(one.value().value());
    }
  }
}

TEST_CASE("A broker killed again and again neither forgets an acknowledgement nor loses a record") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  const scratch_directory scratch;
  const auto data = scratch.path() / "data";
  skaldd_process broker(SKALDD_PROGRAM, data);
  blocking_client client({.address = broker.address(), .timeout = patience});
  client.create_topic("orders", {.partitions = 2});
  client.create_queue("orders", "billing", {.max_attempts = 1'000'000});

  ledger book;
  std::atomic<bool> stop{false};
  std::vector<std::thread> consumers;
  for (int i = 0; i < 3; ++i)
    consumers.emplace_back([&, mine = random()] { work(broker.address(), mine, book, stop); });
  int published = 0;
  blocking_producer producer(client);
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 500; ++i, ++published) {
      const std::string text = std::to_string(published);
      producer.send("orders", {.key = text, .value = text});
    }
    std::this_thread::sleep_for(milliseconds(random() % 200));
    const std::size_t settled = book.settled();
    broker.kill();
    if (round % 3 == 2) check_verified(data);
    broker.start();
    CHECK(settled_in(client.describe_queue("orders", "billing")) >= settled);
  }
  producer.flush();
  CHECK(eventually([&] {
    const queue_info queue = client.describe_queue("orders", "billing");
    return queue.ready + queue.leased + queue.parked == 0;
  }));
  stop = true;
  for (std::thread& one : consumers) one.join();

  CHECK(book.seen() == static_cast<std::size_t>(published));
  CHECK(book.settled() > 0);
  CHECK(settled_in(client.describe_queue("orders", "billing")) == static_cast<std::size_t>(published));
  CHECK(broker.stop().exit_code == 0);
  check_verified(data);
}

}  // namespace skald::tests
