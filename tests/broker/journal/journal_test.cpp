// The journal with its threads, on simulated and real disks.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>

#include "tests/broker/journal/scene.hpp"
#include "tests/broker/support/temporary_directory.hpp"

namespace skald::journal::testing {

namespace {

// A recorder that can be waited on.
class waiting_listener final : public listener {
 public:
  void on_durable(std::vector<durable_entry> group) override {
    {
      const std::lock_guard lock(mutex_);
      durable_.insert(durable_.end(), group.begin(), group.end());
    }
    changed_.notify_all();
  }
  void on_space() override {
    {
      const std::lock_guard lock(mutex_);
      ++spaces_;
    }
    changed_.notify_all();
  }
  void on_fatal(const std::string& why) override {
    {
      const std::lock_guard lock(mutex_);
      fatal_ = why;
    }
    changed_.notify_all();
  }

  bool wait_durable(std::size_t count) {
    return wait([&] { return durable_.size() >= count || !fatal_.empty(); }) && durable_.size() >= count;
  }
  bool wait_spaces(int count) {
    return wait([&] { return spaces_ >= count; });
  }
  std::string wait_fatal() {
    wait([&] { return !fatal_.empty(); });
    const std::lock_guard lock(mutex_);
    return fatal_;
  }
  std::vector<durable_entry> durable() const {
    const std::lock_guard lock(mutex_);
    return durable_;
  }

 private:
  template <class Condition>
  bool wait(Condition met) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), met);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<durable_entry> durable_;
  int spaces_ = 0;
  std::string fatal_;
};

std::vector<new_entry> one(std::string_view text) {
  std::vector<new_entry> entries;
  entries.push_back(entry_of(text));
  return entries;
}

options small_options(const std::filesystem::path& directory) {
  options with;
  with.directory = directory;
  with.segment_bytes = 256u << 10;
  with.reserve_bytes = 0;
  return with;
}

std::vector<std::string> replay_all(disk& on, const options& with, replay_point from = {}) {
  std::vector<std::string> texts;
  recovery_report report;
  const journal log(
      on, with, from, [&](const replayed_entry& entry) { texts.push_back(text_of(entry.bytes)); }, report);
  return texts;
}

}  // namespace

TEST_CASE("on a real disk, everything appended becomes durable in order, is readable, and is replayed") {
  const skald::testing::temporary_directory directory;
  const options with = small_options(directory.path() / "journal");
  std::vector<std::string> texts;
  texts.reserve(2'000);
  for (std::size_t i = 0; i < 2'000; ++i) {
    texts.push_back(std::to_string(i) + std::string(i % 700, char('a' + i % 26)));
  }
  {
    recovery_report report;
    waiting_listener heard;
    journal log(native_disk(), with, {}, [](const replayed_entry&) {}, report);
    log.start(heard);
    for (const std::string& text : texts) REQUIRE(!log.append(one(text)));
    REQUIRE(heard.wait_durable(texts.size()));
    CHECK(log.queued_bytes() == 0);
    const std::vector<durable_entry> durable = heard.durable();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      REQUIRE(durable[i].sequence == sequence(i + 1));
      std::string read_back(durable[i].payload.bytes, '?');
      const iovec part{read_back.data(), read_back.size()};
      const segment_pin pin = log.pin(durable[i].payload.segment);
      REQUIRE(!read(*pin, durable[i].payload.position, {&part, 1}, file::blocking::allowed));
      REQUIRE(read_back == texts[i]);
      const auto half = texts[i].size() / 2;
      REQUIRE(durable[i].body.position == durable[i].payload.position + half);
      REQUIRE(durable[i].body.bytes == texts[i].size() - half);
    }
    const statistics stats = log.stats();
    CHECK(stats.entries == texts.size());
    CHECK(stats.syncs <= texts.size());
    CHECK(stats.segments > 2);
    CHECK(stats.bytes_written > 2'000 * 350);
  }
  CHECK(replay_all(native_disk(), with) == texts);
}

TEST_CASE("on a real disk, segments are recycled while readers hold pins") {
  const skald::testing::temporary_directory directory;
  const options with = small_options(directory.path());
  recovery_report report;
  replay_point from;
  std::string last;
  {
    waiting_listener heard;
    journal log(native_disk(), with, {}, [](const replayed_entry&) {}, report);
    log.start(heard);
    for (std::size_t round = 0; round < 60; ++round) {
      last = std::string(100'000, char('a' + round % 26));
      REQUIRE(!log.append(one(last)));
      REQUIRE(heard.wait_durable(round + 1));
      const durable_entry written = heard.durable().back();
      const segment_pin pin = log.pin(written.payload.segment);
      std::thread reader([&] {
        std::string read_back(written.payload.bytes, '?');
        const iovec part{read_back.data(), read_back.size()};
        CHECK(!read(*pin, written.payload.position, {&part, 1}, file::blocking::allowed));
        CHECK(read_back == last);
      });
      for (const generation each : log.segments()) {
        if (each < written.payload.segment) log.release(each);
      }
      reader.join();
      from = log.point_after(written);
    }
    CHECK(log.stats().segments <= 3);
  }
  CHECK(replay_all(native_disk(), with, from).empty());
}

TEST_CASE("stop makes durable what was appended before it") {
  const skald::testing::temporary_directory directory;
  const options with = small_options(directory.path());
  recovery_report report;
  waiting_listener heard;
  journal log(native_disk(), with, {}, [](const replayed_entry&) {}, report);
  log.start(heard);
  for (int i = 0; i < 100; ++i) REQUIRE(!log.append(one("entry")));
  log.stop();
  CHECK(heard.durable().size() == 100);
  CHECK(log.append(one("late")) == errc::shutting_down);
  log.stop();
}

TEST_CASE("entries that arrive during a sync share the next one") {
  scene on;
  waiting_listener heard;
  recovery_report report;
  on.with.segment_bytes = 1u << 20;
  journal log(on.disk, on.with, {}, [](const replayed_entry&) {}, report);
  log.start(heard, driven_by::step);
  for (int i = 0; i < 50; ++i) REQUIRE(!log.append(one("entry")));
  REQUIRE(log.step());
  CHECK(heard.durable().size() == 50);
  CHECK(log.stats().syncs == 1);
}

TEST_CASE("a failing sync on the writer thread is fatal, with the file and the system's words") {
  scene on;
  waiting_listener heard;
  recovery_report report;
  journal log(on.disk, on.with, {}, [](const replayed_entry&) {}, report);
  log.start(heard);
  REQUIRE(!log.append(one("fine")));
  REQUIRE(heard.wait_durable(1));
  on.disk.lose_power_after(0);
  REQUIRE(!log.append(one("lost")));
  const std::string why = heard.wait_fatal();
  CHECK_MESSAGE(why.find("/journal/") == 0, why);
  CHECK(heard.durable().size() == 1);
  CHECK(log.append(one("after")) == errc::storage_error);
}

TEST_CASE("with threads, a full disk refuses and relieves") {
  scene on;
  waiting_listener heard;
  recovery_report report;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  journal log(on.disk, on.with, {}, [](const replayed_entry&) {}, report);
  log.start(heard);
  std::error_code refused;
  std::size_t accepted = 0;
  while (!(refused = log.append(one(std::string(11'000, 'x'))))) ++accepted;
  CHECK(refused == errc::storage_full);
  REQUIRE(heard.wait_durable(accepted));
  CHECK(accepted == 4);
  SUBCASE("by a release") {
    log.release(log.segments().front());
  }
  SUBCASE("by room that others make") {
    on.disk.set_capacity(50 * on.with.segment_bytes);
  }
  REQUIRE(heard.wait_spaces(1));
  CHECK(!log.append(one(std::string(11'000, 'y'))));
  CHECK(heard.wait_durable(accepted + 1));
}

TEST_CASE("an owner that outruns the preparation of segments waits for it and is not refused") {
  scene on;
  waiting_listener heard;
  recovery_report report;
  journal log(on.disk, on.with, {}, [](const replayed_entry&) {}, report);
  log.start(heard);
  for (int i = 0; i < 200; ++i) REQUIRE(!log.append(one(std::string(11'000, 'x'))));
  CHECK(heard.wait_durable(200));
}

}  // namespace skald::journal::testing
