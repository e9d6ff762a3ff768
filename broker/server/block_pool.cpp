#include "broker/server/block_pool.hpp"

#include <utility>

namespace skald::server {

block_pool::block_pool(std::size_t budget_bytes, std::size_t standard_bytes, std::size_t kept_bytes_max)
    : budget_bytes_(budget_bytes),
      standard_bytes_(standard_bytes),
      kept_max_(kept_bytes_max / standard_bytes) {
  kept_.reserve(kept_max_);
}

bool block_pool::below(std::size_t limit) {
  if (used_.load() < limit) return true;
  refused_.store(true);
  // What was released between the two loads did not see that somebody waits.
  return used_.load() < limit;
}

bool block_pool::has_room() {
  return below(budget_bytes_);
}

bool block_pool::has_room_to_finish() {
  return below(budget_bytes_ + budget_bytes_ / 4);
}

std::shared_ptr<block> block_pool::take(std::size_t bytes) {
  const bool nearly_standard = bytes <= standard_bytes_ && bytes > standard_bytes_ / 2;
  const std::size_t capacity = nearly_standard ? standard_bytes_ : bytes;
  std::unique_ptr<std::byte[]> memory;
  if (capacity == standard_bytes_) {
    const std::lock_guard lock(mutex_);
    if (!kept_.empty()) {
      memory = std::move(kept_.back());
      kept_.pop_back();
    }
  }
  if (!memory) memory.reset(new std::byte[capacity]);
  used_.fetch_add(capacity);
  return {new block(std::move(memory), capacity), [pool = shared_from_this()](block* returned) {
            pool->give_back(std::move(*returned));
            delete returned;
          }};
}

void block_pool::give_back(block&& returned) noexcept {
  const std::size_t capacity = returned.capacity_;
  if (capacity == standard_bytes_) {
    const std::lock_guard lock(mutex_);
    if (kept_.size() < kept_max_) kept_.push_back(std::move(returned.bytes_));
  }
  returned.bytes_.reset();
  const std::size_t left = used_.fetch_sub(capacity) - capacity;
  // Waking at the first byte of room would make everybody run and stop again.
  const bool room = left < budget_bytes_ - budget_bytes_ / 8;
  if (room && refused_.load() && refused_.exchange(false) && tell_) tell_();
}

}  // namespace skald::server
