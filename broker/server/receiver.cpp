#include "broker/server/receiver.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace skald::server {

std::span<std::byte> receiver::prepare(block_pool& from, scratch& shared) {
  if (block_) return block_->bytes().subspan(end_);
  if (!shared) shared = from.take(from.standard_bytes());
  return shared->bytes();
}

result<> receiver::received(std::size_t count, const protocol::frame_limits& limits, block_pool& from,
                            scratch& shared, const on_frame& take) {
  const bool busy = count > small_bytes;
  std::shared_ptr<block> in;
  std::span<const std::byte> bytes;
  if (block_) {
    in = std::move(block_);
    bytes = in->bytes().subspan(begin_, end_ + count - begin_);
  } else if (busy) {
    in = std::move(shared);
    bytes = in->bytes().first(count);
  } else {
    in = from.take(count);
    std::memcpy(in->data(), shared->data(), count);
    bytes = in->bytes().first(count);
  }
  while (!bytes.empty()) {
    const auto progress = protocol::parse_frame(bytes, limits);
    if (!progress) return progress.error();
    if (!progress->complete()) {
      keep(std::move(in), bytes, progress->missing_bytes, busy, from);
      break;
    }
    take(progress->frame, in);
    bytes = bytes.subspan(progress->frame.size());
  }
  return {};
}

void receiver::keep(std::shared_ptr<block> in, std::span<const std::byte> rest, std::size_t missing,
                    bool busy, block_pool& from) {
  const std::size_t whole = rest.size() + missing;
  begin_ = static_cast<std::size_t>(rest.data() - in->data());
  frame_end_ = begin_ + whole;
  if (frame_end_ <= in->capacity()) {
    end_ = begin_ + rest.size();
    block_ = std::move(in);
    return;
  }
  std::size_t capacity = std::min(whole, std::max(whole_frame_bytes, 2 * rest.size()));
  if (busy) capacity = std::max(capacity, from.standard_bytes());
  block_ = from.take(capacity);
  std::memcpy(block_->data(), rest.data(), rest.size());
  begin_ = 0;
  end_ = rest.size();
  frame_end_ = whole;
}

}  // namespace skald::server
