// Where received bytes lie: large buffers, shared by the records in them, taken from a pool and given back to
// it when the last record is gone, by whichever thread that happens on. Fresh memory costs a page fault for
// each 4 KiB, which at 1 GB/s is a quarter of a core; pooled memory costs nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <skald/protocol/frame.hpp>
#include <skald/protocol/result.hpp>

namespace skald::detail {

struct receive_buffer {
  explicit receive_buffer(std::size_t bytes) : capacity(bytes), data(new std::byte[bytes]) {}
  std::size_t capacity;
  std::unique_ptr<std::byte[]> data;
};

// Threading: any thread.
class receive_pool : public std::enable_shared_from_this<receive_pool> {
 public:
  // Keeps at most this much memory for later.
  explicit receive_pool(std::size_t spare_bytes_max = 16u << 20) : spare_bytes_max_(spare_bytes_max) {}
  // A buffer of at least `bytes`, which returns by itself.
  std::shared_ptr<receive_buffer> take(std::size_t bytes);

 private:
  void give_back(std::unique_ptr<receive_buffer> buffer);

  const std::size_t spare_bytes_max_;
  std::mutex mutex_;  // guards what follows
  std::vector<std::unique_ptr<receive_buffer>> spare_;
  std::size_t spare_bytes_ = 0;
};

// Turns a stream of bytes into frames that stay where they were received.
//
//   read into prepare(); commit(n); then next() until it has no frame.
class frame_stream {
 public:
  struct frame {
    protocol::frame_view view;
    std::shared_ptr<const void> owner;  // keeps the bytes of `view`
  };

  frame_stream(std::shared_ptr<receive_pool> pool, protocol::frame_limits limits)
      : pool_(std::move(pool)), limits_(limits) {}

  // Room for the next read; never empty.
  std::span<std::byte> prepare();
  void commit(std::size_t bytes) { end_ += bytes; }
  // The next whole frame, if it is there. A failure means that the stream cannot be understood any more.
  result<std::optional<frame>> next();
  // Forgets what was received: a new connection begins.
  void clear();

 private:
  std::shared_ptr<receive_pool> pool_;
  protocol::frame_limits limits_;
  std::shared_ptr<receive_buffer> buffer_;
  std::size_t begin_ = 0;  // of what is received and not yet given out
  std::size_t end_ = 0;
  std::size_t missing_ = 0;  // of the frame at begin_, as far as known
};

}  // namespace skald::detail
