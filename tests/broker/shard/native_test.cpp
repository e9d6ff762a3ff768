// A shard on the machine's own disk, with LMDB and its real threads.
#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "broker/shard/dump.hpp"
#include "broker/shard/verify.hpp"
#include "tests/broker/shard/scene.hpp"
#include "tests/broker/support/temporary_directory.hpp"

namespace skald::shard::testing {

namespace {

class thread_executor final : public executor {
 public:
  ~thread_executor() override {
    post([this] { stopping_ = true; });
    thread_.join();
  }
  void post(task work) override { post_after(std::chrono::milliseconds(0), std::move(work)); }
  void post_after(std::chrono::milliseconds delay, task work) override {
    const std::lock_guard lock(mutex_);
    tasks_.emplace(clock::now() + delay, std::move(work));
    changed_.notify_one();
  }
  bool running_here() const override { return std::this_thread::get_id() == thread_.get_id(); }

  // Runs a function there and returns what it returns.
  template <class Function>
  auto ask(Function function) {
    std::packaged_task<decltype(function())()> work(std::move(function));
    auto answer = work.get_future();
    post([&work] { work(); });
    return answer.get();
  }

 private:
  using clock = std::chrono::steady_clock;

  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (tasks_.empty()) {
        changed_.wait(lock);
      } else if (const auto due = tasks_.begin()->first; due > clock::now()) {
        changed_.wait_until(lock, due);
      } else {
        const task work = std::move(tasks_.begin()->second);
        tasks_.erase(tasks_.begin());
        lock.unlock();
        work();
        lock.lock();
      }
    }
  }

  // Guards the tasks.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<clock::time_point, task> tasks_;
  bool stopping_ = false;  // of the thread
  std::thread thread_{[this] { run(); }};
};

struct native_scene {
  native_scene() {
    with.directory = directory.path();
    with.journal.segment_bytes = 1 << 20;
    with.journal.reserve_bytes = 0;
    with.state_map_bytes = 1ull << 30;
    with.replay_bytes_max = 1 << 20;
    with.retention_interval = std::chrono::milliseconds(20);
  }
  void open() {
    runs.ask([this] {
      opened = std::make_unique<shard>(with, native_disk(), system_wall_clock(), runs,
                                       [](const std::string& why) { FAIL_CHECK(why); });
      opened->start();
    });
  }
  // With or without a stop before it.
  void close(bool stop) {
    if (stop) {
      std::promise<void> stopped;
      runs.post([&] { opened->stop([&] { stopped.set_value(); }); });
      stopped.get_future().get();
    }
    runs.ask([this] { opened.reset(); });
  }
  void create(const std::string& topic, topic_settings settings) {
    settings.batch_bytes_max = 100'000;
    std::promise<errc> created;
    runs.post([&] {
      opened->create_topic(topic, settings, false,
                           [&](const failure& why, const topic_info&) { created.set_value(why.code); });
    });
    CHECK(created.get_future().get() == errc::ok);
  }
  // Publishes batches without waiting for one before the next; returns how many were acknowledged in order.
  std::uint64_t publish(const std::string& topic, int batches, const std::string& text) {
    std::promise<void> all;
    std::uint64_t acknowledged = 0;
    int left = batches;
    const slice batch = batch_of(text, 1, system_wall_clock().now());
    for (int i = 0; i < batches; ++i) {
      runs.post([&] {
        std::vector<append_request> requests;
        requests.push_back(request_of(topic, 0, batch));
        opened->append(std::move(requests), durability::disk, [&](const std::vector<append_result>& results) {
          acknowledged += !results.at(0).why;
          if (--left == 0) all.set_value();
        });
      });
    }
    all.get_future().get();
    return acknowledged;
  }
  partition_info info(const std::string& topic) {
    return runs.ask([&] { return *opened->partition({opened->find_topic(topic)->id, partition_id(0)}); });
  }
  verification check() {
    return verify(native_disk(), directory.path(), [](const finding& found) { FAIL_CHECK(to_line(found)); });
  }

  skald::testing::temporary_directory directory;
  options with;
  thread_executor runs;
  std::unique_ptr<shard> opened;
};

}  // namespace

TEST_CASE("publishing, stopping, dying and starting again on a real disk") {
  native_scene s;
  s.open();
  s.create("t", {});
  std::uint64_t stored = 0;
  const std::string text(5'000, 'x');
  for (const bool stop : {true, false, true}) {
    stored += s.publish("t", 600, text);
    s.close(stop);
    const verification counts = s.check();
    CHECK(counts.batches == stored);
    if (stop) CHECK(counts.replayed == 0);  // a flush may leave nothing to replay after a kill, too
    s.open();
    CHECK(s.info("t").end == offset(stored));
  }
  CHECK(stored == 1'800);
  s.close(true);
  CHECK(s.check().errors == 0);
}

TEST_CASE("retention gives space back on a real disk") {
  native_scene s;
  s.open();
  s.create("t", {.retention_bytes = 1 << 20});
  const std::string text(50'000, 'x');
  std::uint64_t stored = 0;
  for (int round = 0; round < 5; ++round) stored += s.publish("t", 100, text);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::uint32_t segments = 0;
  std::uint64_t bytes = 0;
  do {  // few segments may hold much that the next round of retention has yet to see
    segments = s.runs.ask([&] { return s.opened->stats().journal.segments; });
    bytes = s.info("t").bytes;
    std::this_thread::yield();
  } while ((segments > 6 || bytes > (1 << 20)) && std::chrono::steady_clock::now() < deadline);
  CHECK(segments <= 6);
  CHECK(bytes <= (1 << 20));
  CHECK(s.info("t").end == offset(stored));
  s.close(false);
  s.check();
}

}  // namespace skald::shard::testing
