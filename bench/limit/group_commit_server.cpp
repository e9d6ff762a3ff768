#include "bench/limit/group_commit_server.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include "bench/limit/loopback.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::limit {
namespace {

// The server is a process of its own, so the first thread that fails can end it; the client then sees the
// connection close.
template <class Body>
std::jthread journal_thread(Body body) {
  return std::jthread([body] {
    try {
      body();
    } catch (const std::exception& error) {
      end_child(error);
    }
  });
}

}  // namespace

group_commit_server::group_commit_server(int connection, recycled_segments& segments, std::size_t ring_bytes)
    : connection_(connection), segments_(segments), ring_(ring_bytes) {}

void group_commit_server::serve(commit_threads threads) {
  std::vector<std::jthread> journal;
  if (threads == commit_threads::one) {
    journal.push_back(journal_thread([this] { write_and_sync_groups(); }));
  } else {
    journal.push_back(journal_thread([this] { write_groups(); }));
    journal.push_back(journal_thread([this] { sync_groups(); }));
  }
  receive();
}

void group_commit_server::receive() {
  std::uint64_t received = 0;
  std::uint64_t complete = 0;
  for (;;) {
    std::span<std::byte> space;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !(space = free_space(received, durable_)).empty(); });
    }
    const std::size_t count = receive_some(connection_, space);
    received += count;
    const std::uint64_t end = end_of_complete_frames(complete, received);
    if (end == complete && count > 0) continue;
    complete = end;
    {
      const std::lock_guard lock(mutex_);
      complete_ = complete;
      received_all_ = count == 0;
    }
    changed_.notify_all();
    if (count == 0) return;
  }
}

std::uint64_t group_commit_server::end_of_complete_frames(std::uint64_t from, std::uint64_t received) const {
  for (;;) {
    if (received - from < sizeof(frame_length)) return from;
    std::byte bytes[sizeof(frame_length)];
    for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = ring_[(from + i) % ring_.size()];
    frame_length length = 0;
    std::memcpy(&length, bytes, sizeof length);
    if (length > ring_.size() - sizeof length) throw std::runtime_error("a frame is larger than the ring");
    if (received - from < sizeof length + length) return from;
    from += sizeof length + length;
  }
}

std::span<std::byte> group_commit_server::free_space(std::uint64_t received, std::uint64_t durable) {
  const std::size_t free = ring_.size() - static_cast<std::size_t>(received - durable);
  const std::size_t begin = received % ring_.size();
  return std::span(ring_).subspan(begin, std::min(free, ring_.size() - begin));
}

void group_commit_server::append_ring_parts(std::vector<iovec>& parts, std::uint64_t begin,
                                            std::uint64_t end) {
  while (begin < end) {
    const std::size_t at = begin % ring_.size();
    const std::size_t size = std::min(static_cast<std::size_t>(end - begin), ring_.size() - at);
    parts.push_back({&ring_[at], size});
    begin += size;
  }
}

std::optional<group_commit_server::group> group_commit_server::write_group() {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  {
    std::unique_lock lock(mutex_);
    // A group still waiting to be synced means that the disk is behind: gather on, for a larger next group.
    changed_.wait(lock, [this] { return unsynced_.empty() && (complete_ > written_ || received_all_); });
    if (complete_ == written_) return std::nullopt;
    begin = written_;
    end = complete_;
  }
  // Whole pages: a page written in part would first be read from the disk, where it is not in the cache.
  const auto size = static_cast<std::size_t>(end - begin);
  const std::size_t padding = (page_bytes - size % page_bytes) % page_bytes;
  std::vector<iovec> parts;
  append_ring_parts(parts, begin, end);
  if (padding > 0) parts.push_back({padding_.data(), padding});
  const auto [file, position] = segments_.advance(size + padding);
  write_fully(file, parts, position);
  const std::lock_guard lock(mutex_);
  written_ = end;
  return group{end, file};
}

void group_commit_server::acknowledge(std::uint64_t durable) {
  {
    const std::lock_guard lock(mutex_);
    durable_ = durable;
  }
  changed_.notify_all();
  const acknowledgement message = durable;
  send_fully(connection_, std::as_bytes(std::span(&message, 1)));
}

void group_commit_server::write_and_sync_groups() {
  while (const std::optional<group> written = write_group()) {
    sync_data(written->file);
    acknowledge(written->end);
  }
}

void group_commit_server::write_groups() {
  for (;;) {
    const std::optional<group> written = write_group();
    {
      const std::lock_guard lock(mutex_);
      if (written) {
        unsynced_.push_back(*written);
      } else {
        written_all_ = true;
      }
    }
    changed_.notify_all();
    if (!written) return;
  }
}

void group_commit_server::sync_groups() {
  for (;;) {
    std::vector<group> groups;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !unsynced_.empty() || written_all_; });
      groups = std::exchange(unsynced_, {});
    }
    if (groups.empty()) return;
    changed_.notify_all();
    for (const group& each : groups) sync_data(each.file);
    acknowledge(groups.back().end);
  }
}

}  // namespace skald::bench::limit
