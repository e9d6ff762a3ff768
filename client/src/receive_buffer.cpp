#include "client/src/receive_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace skald::detail {

namespace {
// Big enough that small frames share one, small enough that a record kept for long does not pin much.
constexpr std::size_t buffer_bytes = 512 * 1024;
// With less room than this left, a read takes only the beginning of the next frame: what does not fit has to
// be moved to the next buffer, and a few KiB are moved for free.
constexpr std::size_t small_room = 256 * 1024;
constexpr std::size_t peek_bytes = 16 * 1024;
constexpr std::size_t room_min = 512;
}  // namespace

std::shared_ptr<receive_buffer> receive_pool::take(std::size_t bytes) {
  std::unique_ptr<receive_buffer> buffer;
  {
    const std::lock_guard lock(mutex_);
    const auto fits = [&](const auto& spare) {
      return spare->capacity >= bytes && spare->capacity <= 4 * bytes;
    };
    if (const auto found = std::ranges::find_if(spare_, fits); found != spare_.end()) {
      buffer = std::move(*found);
      spare_.erase(found);
      spare_bytes_ -= buffer->capacity;
    }
  }
  if (!buffer) buffer = std::make_unique<receive_buffer>(bytes);
  return {buffer.release(), [pool = shared_from_this()](receive_buffer* done) {
            pool->give_back(std::unique_ptr<receive_buffer>(done));
          }};
}

void receive_pool::give_back(std::unique_ptr<receive_buffer> buffer) {
  const std::lock_guard lock(mutex_);
  if (spare_bytes_ + buffer->capacity > spare_bytes_max_) return;
  spare_bytes_ += buffer->capacity;
  spare_.push_back(std::move(buffer));
}

std::span<std::byte> frame_stream::prepare() {
  if (buffer_ && begin_ == end_ && buffer_.use_count() == 1) begin_ = end_ = 0;
  const std::size_t received = end_ - begin_;
  const std::size_t needed = std::max(missing_, room_min);
  if (!buffer_ || buffer_->capacity - end_ < needed) {
    const std::size_t wanted = received + needed;
    auto larger = pool_->take(wanted <= buffer_bytes ? buffer_bytes
                                                     : (wanted + peek_bytes + 0xffff) & ~std::size_t{0xffff});
    if (received > 0) std::memcpy(larger->data.get(), buffer_->data.get() + begin_, received);
    buffer_ = std::move(larger);
    begin_ = 0;
    end_ = received;
  }
  const std::size_t room = buffer_->capacity - end_;
  const std::size_t use = room < small_room ? std::min(room, std::max(missing_, peek_bytes)) : room;
  return {buffer_->data.get() + end_, use};
}

result<std::optional<frame_stream::frame>> frame_stream::next() {
  if (begin_ == end_) {
    missing_ = 0;
    return std::optional<frame>();
  }
  const auto parsed = protocol::parse_frame({buffer_->data.get() + begin_, end_ - begin_}, limits_);
  if (!parsed) return parsed.error();
  missing_ = parsed->missing_bytes;
  if (!parsed->complete()) return std::optional<frame>();
  begin_ += parsed->frame.size();
  return std::optional<frame>(frame{parsed->frame, buffer_});
}

void frame_stream::clear() {
  buffer_.reset();
  begin_ = end_ = missing_ = 0;
}

}  // namespace skald::detail
