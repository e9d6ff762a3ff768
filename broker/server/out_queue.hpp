// What waits to be sent to one peer: a queue of byte ranges, written with one gathering write.
//
// Frame fronts are small and copied into shared chunks; payloads are slices, sent from where they lie. An
// empty queue holds no memory. Not thread-safe.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "broker/base/buffer.hpp"

namespace skald::server {

class out_queue {
 public:
  void add_copy(std::span<const std::byte> bytes);
  void add(slice bytes);

  bool empty() const { return bytes_ == 0; }
  std::size_t bytes() const { return bytes_; }

  // Fills `parts` from the front of the queue and returns how many it filled; valid until consume().
  std::size_t gather(std::span<iovec> parts) const;
  // Drops `count` bytes, at most bytes(), from the front.
  void consume(std::size_t count);
  void clear();

 private:
  static constexpr std::size_t chunk_bytes = 2048;

  std::deque<slice> parts_;
  std::size_t bytes_ = 0;
  std::shared_ptr<std::byte[]> chunk_;  // that the last part lies in, when it was a copy
  std::size_t chunk_used_ = 0;
  std::size_t chunk_size_ = 0;
};

}  // namespace skald::server
