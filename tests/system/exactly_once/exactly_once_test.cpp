// Exactly once: loops that consume, process and produce over a group and over a queue, while the broker and
// the processes that run the loops are killed at random. In the end every input has its output, once.
//
// SKALD_EXACTLY_ONCE_ROUNDS says for how many rounds; SKALD_EXACTLY_ONCE_SEED repeats a run.
#include <signal.h>

#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <skald/skald.hpp>

#include "tests/effort.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr int inputs_per_round = 200;
constexpr int workers_of_a_kind = 2;

struct worker {
  std::string kind;
  std::string name;
  std::unique_ptr<child_process> process;

  void start(const std::string& address) {
    process = std::make_unique<child_process>(SKALD_WORKER_PROGRAM, std::vector{address, kind, name});
  }
  void kill() {
    process->send_signal(SIGKILL);
    process->wait();
  }
};

class factory {
 public:
  factory() {
    admin_.create_topic("in", {.partitions = 4});
    admin_.create_topic("out-group", {.partitions = 4});
    admin_.create_topic("out-queue", {.partitions = 4});
    admin_.create_queue("in", "loop", {.max_attempts = 1'000'000, .backoff_min = 1ms, .backoff_max = 10ms});
    for (const char* kind : {"group", "queue"})
      for (int i = 0; i < workers_of_a_kind; ++i)
        workers_.push_back({kind, std::string(kind) + std::to_string(i), nullptr});
    for (worker& one : workers_) one.start(broker_.address());
  }

  void publish() {
    blocking_producer producer(admin_);
    for (int i = 0; i < inputs_per_round; ++i, ++published_) {
      const std::string text = std::to_string(published_);
      producer.send("in", {.key = text, .value = text});
    }
    producer.flush();
  }
  void kill_somebody(std::mt19937_64& random) {
    const auto dice = random() % 4;
    if (dice != 0) {
      worker& victim = workers_[random() % workers_.size()];
      victim.kill();
      if (dice == 3) broker_.kill();
      victim.start(broker_.address());
    } else {
      broker_.kill();
    }
    if (dice == 0 || dice == 3) broker_.start();
  }
  std::uint64_t outputs(const std::string& topic) { return admin_.describe_topic(topic).records; }
  bool wait_for_all(const std::string& topic) {
    const auto deadline = steady::now() + 2 * patience;
    while (outputs(topic) < published_) {
      if (steady::now() > deadline) return false;
      std::this_thread::sleep_for(20ms);
    }
    return true;
  }
  std::map<std::string, int> counted(const std::string& topic) {
    std::map<std::string, int> by_value;
    for (const partition_info& each : admin_.describe_topic(topic).partitions) {
      for (offset at = each.log_start; at < each.end;) {
        const records some = admin_.fetch(topic, each.partition, at);
        for (const record& one : some) ++by_value[std::string(one.value().value_or(""))];
        at = some.end_offset();
      }
    }
    return by_value;
  }
  std::uint64_t published() const { return published_; }
  void stop_workers() {
    for (worker& one : workers_) one.kill();
  }
  // What is left of the inputs, by what the broker knows.
  std::uint64_t group_lag() {
    std::uint64_t sum = 0;
    for (const group_partition& one : admin_.describe_group("loop").partitions) sum += one.lag();
    return sum;
  }
  std::uint64_t queue_left() {
    std::uint64_t sum = 0;
    for (const queue_partition& one : admin_.describe_queue("in", "loop").partitions)
      sum += (one.end - one.floor) - one.settled_above;
    return sum;
  }
  void verify() {
    CHECK(broker_.stop().exit_code == 0);
    const process_result verified =
        run_process(SKALDD_PROGRAM, {"verify", "--data-dir", directory_.path().string()});
    CHECK_MESSAGE(verified.exit_code == 0, verified.output << verified.errors);
  }

 private:
  scratch_directory directory_;
  skaldd_process broker_{SKALDD_PROGRAM, directory_.path()};
  blocking_client admin_{{.address = broker_.address(),
                          .timeout = patience,
                          .reconnect_delay_min = 5ms,
                          .reconnect_delay_max = 50ms}};
  std::vector<worker> workers_;
  std::uint64_t published_ = 0;
};

void check_exactly_once(factory& in, const std::string& topic) {
  CAPTURE(topic);
  CHECK(in.wait_for_all(topic));
  std::uint64_t missing = 0;
  const std::map<std::string, int> times = in.counted(topic);
  for (std::uint64_t i = 0; i < in.published(); ++i)
    if (!times.contains(std::to_string(i))) ++missing;
  CHECK(missing == 0);
  CHECK(times.size() == in.published());
  for (const auto& [value, count] : times)
    if (count != 1) FAIL_CHECK("input " << value << " has " << count << " outputs");
}

}  // namespace

TEST_CASE("every input has its output exactly once, whoever is killed when") {
  const std::uint64_t seed = number_from_environment("SKALD_EXACTLY_ONCE_SEED", std::random_device{}());
  const std::uint64_t rounds = number_from_environment("SKALD_EXACTLY_ONCE_ROUNDS", 8);
  CAPTURE(seed);
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  factory in;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    in.publish();
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 150));
    in.kill_somebody(random);
  }
  check_exactly_once(in, "out-group");
  check_exactly_once(in, "out-queue");
  CHECK(in.group_lag() == 0);
  CHECK(in.queue_left() == 0);
  in.stop_workers();
  in.verify();
}

}  // namespace skald::tests
