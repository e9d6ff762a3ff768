// Group commits on the owner's thread: when they are left to it, and that nothing else is different.
#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <optional>
#include <random>
#include <thread>

#include "broker/journal/segment.hpp"
#include "tests/broker/journal/scene.hpp"

namespace skald::journal::testing {

namespace {

using owner = journal::owner;

// Remembers on which thread the groups became durable, and can be waited on.
class thread_listener final : public listener {
 public:
  void on_durable(std::vector<durable_entry> group) override {
    {
      const std::lock_guard lock(mutex_);
      durable_.insert(durable_.end(), group.begin(), group.end());
      last_thread_ = std::this_thread::get_id();
    }
    changed_.notify_all();
  }
  void on_space() override {}
  void on_fatal(const std::string& why) override {
    const std::lock_guard lock(mutex_);
    fatal_ = why;
  }

  bool wait_durable(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return durable_.size() >= count; });
  }
  std::vector<durable_entry> durable() const {
    const std::lock_guard lock(mutex_);
    return durable_;
  }
  bool last_was_here() const {
    const std::lock_guard lock(mutex_);
    return last_thread_ == std::this_thread::get_id();
  }
  std::string fatal() const {
    const std::lock_guard lock(mutex_);
    return fatal_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<durable_entry> durable_;
  std::thread::id last_thread_;
  std::string fatal_;
};

// A journal with threads on a simulated disk, whose syncs all count as quick.
struct owned_scene {
  explicit owned_scene(std::chrono::microseconds owner_sync_max = std::chrono::hours(1)) {
    with.directory = "/journal";
    with.segment_bytes = 1u << 20;
    with.reserve_bytes = 0;
    with.owner_sync_max = owner_sync_max;
    open();
    log->start(heard);
  }

  void open() {
    recovery_report report;
    log.emplace(disk, with, replay_point{}, [](const replayed_entry&) {}, report);
  }

  void append(std::string_view text) {
    std::vector<new_entry> entries;
    entries.push_back(entry_of(text));
    REQUIRE(!log->append(std::move(entries)));
    ++appended;
  }
  // Until the journal knows its disk, and has done what it did meanwhile, groups are the writer thread's.
  void append_until_left() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      append("early");
      if (log->left_to_owner()) return;
      REQUIRE(heard.wait_durable(appended));
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  }

  skald::testing::sim_disk disk{1};
  options with;
  thread_listener heard;
  std::size_t appended = 0;
  std::optional<journal> log;  // goes before what it reports to
};

}  // namespace

TEST_CASE("an idle owner commits a small group on its own thread") {
  owned_scene on;
  on.append_until_left();
  CHECK(on.heard.durable().size() == on.appended - 1);
  on.append("together with the one before");
  CHECK(on.log->left_to_owner());
  const auto syncs = on.log->stats().syncs;
  CHECK(on.log->commit_here(owner::idle));
  CHECK(on.heard.last_was_here());
  CHECK(on.heard.durable().size() == on.appended);
  CHECK(on.log->stats().syncs == syncs + 1);
  CHECK(on.log->queued_bytes() == 0);
  CHECK_FALSE(on.log->left_to_owner());
}

TEST_CASE("a busy owner has the writer thread commit") {
  owned_scene on;
  on.append_until_left();
  CHECK_FALSE(on.log->commit_here(owner::busy));
  REQUIRE(on.heard.wait_durable(on.appended));
  CHECK_FALSE(on.heard.last_was_here());
}

TEST_CASE("a group that grows too large for the owner goes to the writer thread") {
  owned_scene on;
  on.append_until_left();
  on.append(std::string(40'000, 'x'));
  CHECK_FALSE(on.log->left_to_owner());
  REQUIRE(on.heard.wait_durable(on.appended));
  CHECK_FALSE(on.heard.last_was_here());
}

TEST_CASE("nothing is left to the owner of a slow disk") {
  owned_scene on(std::chrono::microseconds(0));
  for (int i = 0; i < 20; ++i) {
    on.append("entry");
    CHECK_FALSE(on.log->left_to_owner());
    REQUIRE(on.heard.wait_durable(on.appended));
  }
}

TEST_CASE("stop makes durable what was left to the owner") {
  owned_scene on;
  on.append_until_left();
  on.log->stop();
  CHECK(on.heard.durable().size() == on.appended);
  CHECK_FALSE(on.log->commit_here(owner::idle));
}

TEST_CASE("the owner's group is told from a torn one once the owner has marked its end") {
  owned_scene on;
  on.append_until_left();
  REQUIRE(on.log->commit_here(owner::idle));
  CHECK_FALSE(on.log->commit_here(owner::idle));
  const place last = on.heard.durable().back().payload;
  on.disk.kill();
  on.log.reset();
  on.disk.flip_bit(on.with.directory / segment_name(last.segment), last.position * 8ull);
  std::error_code refused;
  try {
    on.open();
  } catch (const error& why) {
    refused = why.code();
  }
  CHECK(refused == errc::storage_corrupt);
}

TEST_CASE("a failing sync on the owner's thread is fatal, with the file and the system's words") {
  owned_scene on;
  on.append_until_left();
  on.disk.lose_power_after(0);
  CHECK_FALSE(on.log->commit_here(owner::idle));
  CHECK_MESSAGE(on.heard.fatal().find("/journal/") == 0, on.heard.fatal());
  CHECK(on.heard.durable().size() == on.appended - 1);
  std::vector<new_entry> after;
  after.push_back(entry_of("after"));
  CHECK(on.log->append(std::move(after)) == errc::storage_error);
}

TEST_CASE("owner and writer thread take turns, and the entries stay in order") {
  owned_scene on;
  std::minstd_rand random(7);
  for (int i = 0; i < 2'000; ++i) {
    on.append(std::string(random() % 3'000, 'x'));
    if (random() % 2 == 0) on.log->commit_here(random() % 4 == 0 ? owner::busy : owner::idle);
  }
  while (on.log->left_to_owner()) on.log->commit_here(owner::idle);
  REQUIRE(on.heard.wait_durable(on.appended));
  const std::vector<durable_entry> durable = on.heard.durable();
  REQUIRE(durable.size() == on.appended);
  for (std::size_t i = 0; i < durable.size(); ++i) REQUIRE(durable[i].sequence == sequence(i + 1));
}

}  // namespace skald::journal::testing
