// Memory for what is in flight: received frames on their way to the journal, deliveries on their way out.
//
// Each block is charged to a budget from the moment it is taken until its last owner lets go, on whichever
// thread. Beyond the budget nothing fails: has_room() says no, and who asked waits for on_room. Blocks of the
// standard size are kept and handed out again, the one used last first, for its pages are still in the cache.
//
// Thread-safe. The mutex guards the kept blocks only.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "broker/base/buffer.hpp"

namespace skald::server {

// Bytes of a fixed capacity, deliberately uninitialised.
class block {
 public:
  block(std::unique_ptr<std::byte[]> bytes, std::size_t capacity)
      : bytes_(std::move(bytes)), capacity_(capacity) {}
  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }
  std::size_t capacity() const { return capacity_; }
  std::span<std::byte> bytes() { return {bytes_.get(), capacity_}; }

 private:
  friend class block_pool;
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t capacity_;
};

class block_pool : public std::enable_shared_from_this<block_pool> {
 public:
  // Always made by make_shared: blocks keep their pool alive.
  block_pool(std::size_t budget_bytes, std::size_t standard_bytes, std::size_t kept_bytes_max);

  // Called, from any thread, after has_room() had said no and there is room again. Set before the first use.
  void on_room(std::function<void()> tell) { tell_ = std::move(tell); }

  // Whether the budget is not used up. After a no, on_room will be told.
  bool has_room();
  // As has_room() for one who has begun something that frees memory once complete: a quarter more.
  bool has_room_to_finish();

  // A block of at least `bytes`: of the standard size if that wastes less than half of it. Never refuses:
  // asking has_room() first is the caller's part.
  std::shared_ptr<block> take(std::size_t bytes);

  std::size_t standard_bytes() const { return standard_bytes_; }
  std::size_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  std::size_t budget_bytes() const { return budget_bytes_; }

 private:
  void give_back(block&& returned) noexcept;
  bool below(std::size_t limit);

  const std::size_t budget_bytes_;
  const std::size_t standard_bytes_;
  const std::size_t kept_max_;
  std::function<void()> tell_;
  std::atomic<std::size_t> used_{0};
  std::atomic<bool> refused_{false};

  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> kept_;
};

}  // namespace skald::server
