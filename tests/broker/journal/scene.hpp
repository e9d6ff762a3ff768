// A journal on a simulated disk, driven step by step, and what its owner remembers of it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/journal/journal.hpp"
#include "skald/protocol/error.hpp"
#include "tests/broker/support/sim_disk.hpp"

namespace skald::journal::testing {

inline std::string sized(char letter, std::size_t bytes) {
  return std::string(bytes, letter);
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Its first half travels as head, the rest as shared body.
inline new_entry entry_of(std::string_view text, entry_kind kind = entry_kind::command) {
  const auto head = bytes_of(text).first(text.size() / 2);
  return {kind, {head.begin(), head.end()}, slice::copy_of(bytes_of(text).subspan(head.size()))};
}

class recorder final : public listener {
 public:
  void on_durable(std::vector<durable_entry> group) override {
    const std::lock_guard lock(mutex_);
    groups_.push_back(group.size());
    durable_.insert(durable_.end(), group.begin(), group.end());
  }
  void on_space() override {
    const std::lock_guard lock(mutex_);
    ++spaces_;
  }
  void on_fatal(const std::string& why) override {
    const std::lock_guard lock(mutex_);
    fatal_ = why;
  }

  std::vector<durable_entry> durable() const {
    const std::lock_guard lock(mutex_);
    return durable_;
  }
  std::vector<std::size_t> groups() const {
    const std::lock_guard lock(mutex_);
    return groups_;
  }
  int spaces() const {
    const std::lock_guard lock(mutex_);
    return spaces_;
  }
  std::string fatal() const {
    const std::lock_guard lock(mutex_);
    return fatal_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<durable_entry> durable_;
  std::vector<std::size_t> groups_;
  int spaces_ = 0;
  std::string fatal_;
};

struct scene {
  explicit scene(std::uint64_t seed = 1) : disk(seed) {
    with.directory = "/journal";
    with.segment_bytes = 16u << 10;
    with.reserve_bytes = 0;
    with.group_bytes_max = 4u << 10;
    with.new_id.fill(std::byte{7});
  }

  // Opens it, remembers what is replayed as text, and starts it without threads.
  void open(replay_point from = {}) {
    replayed.clear();
    report = {};
    log.reset();
    seen = std::make_unique<recorder>();
    log = std::make_unique<journal>(
        disk, with, from,
        [this](const replayed_entry& entry) {
          entries.push_back(entry);
          replayed.push_back(text_of(entry.bytes));
        },
        report);
    log->start(*seen, driven_by::step);
  }
  // What open() refuses with; no error if it succeeds.
  error refusal(replay_point from = {}) {
    try {
      open(from);
    } catch (const error& refused) {
      return refused;
    }
    return {errc::ok, ""};
  }

  std::error_code append(std::string_view text, urgency how = urgency::normal) {
    std::vector<new_entry> one;
    one.push_back(entry_of(text));
    return log->append(std::move(one), how);
  }
  // One append per text, one group commit for them all (if they fit).
  void commit(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) last_refusal = append(text);
    settle();
  }
  void settle() {
    while (log->step()) {
    }
  }
  void stop() {
    log->stop();
    log.reset();
  }
  void kill() {
    disk.kill();
    log.reset();
  }
  void crash() {
    // Handles of the old journal fail from here on, so that its destructor changes nothing.
    disk.crash();
    log.reset();
  }

  std::string read(const place& at) const {
    std::string text(at.bytes, '?');
    const iovec part{text.data(), text.size()};
    const segment_pin pin = log->pin(at.segment);
    if (!pin || skald::journal::read(*pin, at.position, {&part, 1}, file::blocking::allowed))
      return "unreadable";
    return text;
  }
  std::filesystem::path path(generation of) const {
    char name[32];
    std::snprintf(name, sizeof name, "%016llx.segment", static_cast<unsigned long long>(of.value()));
    return with.directory / name;
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    if (disk.list(with.directory, names)) names.clear();
    return names;
  }

  skald::testing::sim_disk disk;
  options with;
  std::unique_ptr<recorder> seen;
  std::unique_ptr<journal> log;
  std::vector<std::string> replayed;
  std::vector<replayed_entry> entries;  // of all opens; their bytes are gone
  recovery_report report;
  std::error_code last_refusal;  // by the last append of commit()
};

}  // namespace skald::journal::testing
