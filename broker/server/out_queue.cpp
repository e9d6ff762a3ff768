#include "broker/server/out_queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace skald::server {

void out_queue::add_copy(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const bool fits = chunk_ && chunk_size_ - chunk_used_ >= bytes.size();
  if (!fits) {
    chunk_size_ = std::max(chunk_bytes, bytes.size());
    chunk_.reset(new std::byte[chunk_size_]);
    chunk_used_ = 0;
  }
  std::byte* const to = chunk_.get() + chunk_used_;
  std::memcpy(to, bytes.data(), bytes.size());
  chunk_used_ += bytes.size();
  bytes_ += bytes.size();
  if (!parts_.empty() && parts_.back().owner() == chunk_) {
    const slice& last = parts_.back();
    parts_.back() = slice(chunk_, {last.data(), last.size() + bytes.size()});
  } else {
    parts_.emplace_back(chunk_, std::span<const std::byte>(to, bytes.size()));
  }
}

void out_queue::add(slice bytes) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  parts_.push_back(std::move(bytes));
}

std::size_t out_queue::gather(std::span<iovec> parts) const {
  const std::size_t count = std::min(parts.size(), parts_.size());
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {const_cast<std::byte*>(parts_[i].data()), parts_[i].size()};
  }
  return count;
}

void out_queue::consume(std::size_t count) {
  bytes_ -= count;
  while (count > 0) {
    slice& front = parts_.front();
    if (count < front.size()) {
      front = front.sub(count, front.size() - count);
      return;
    }
    count -= front.size();
    parts_.pop_front();
  }
  if (bytes_ == 0) clear();
}

void out_queue::clear() {
  std::deque<slice>().swap(parts_);
  chunk_.reset();
  chunk_used_ = chunk_size_ = 0;
  bytes_ = 0;
}

}  // namespace skald::server
