#pragma once

// The least that a durable broker has to do: receive, write, sync, acknowledge.

#include <sys/uio.h>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "bench/limit/files.hpp"
#include "bench/limit/measurements.hpp"

namespace skald::bench::limit {

// A frame on the wire is its payload's length (u32, this machine's byte order), then the payload.
using frame_length = std::uint32_t;
// The server sends one per group: how many bytes of the stream are durable now.
using acknowledgement = std::uint64_t;

// Serves one connection. The network thread receives into a ring that the journal writes straight from;
// journal threads write and sync whole frames, everything that has arrived at a time. Positions count the
// bytes of the stream: durable <= written <= complete <= received.
class group_commit_server {
 public:
  // The ring has to hold what a client may have unacknowledged.
  group_commit_server(int connection, recycled_segments& segments, std::size_t ring_bytes);

  // Returns when the client has closed and all its frames are durable.
  void serve(commit_threads threads);

 private:
  struct group {
    std::uint64_t end;
    int file;
  };

  void receive();
  void write_groups();
  void sync_groups();
  void write_and_sync_groups();

  // Nothing when the connection is closed and no frame is left.
  std::optional<group> write_group();
  void acknowledge(std::uint64_t durable);
  std::uint64_t end_of_complete_frames(std::uint64_t from, std::uint64_t received) const;
  std::span<std::byte> free_space(std::uint64_t received, std::uint64_t durable);
  void append_ring_parts(std::vector<iovec>& parts, std::uint64_t begin, std::uint64_t end);

  const int connection_;
  recycled_segments& segments_;  // the writing thread's
  std::vector<std::byte> ring_;  // [durable, complete) is the journal's, the rest the network thread's
  std::vector<std::byte> padding_ = std::vector<std::byte>(page_bytes);

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::uint64_t complete_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t durable_ = 0;
  std::vector<group> unsynced_;  // written, not yet taken by the syncing thread
  bool received_all_ = false;
  bool written_all_ = false;
};

}  // namespace skald::bench::limit
