#include "tools/cli/line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "tools/cli/quantity.hpp"

namespace skald::cli {
namespace {

constexpr std::size_t first_capacity = 1u << 20;

}  // namespace

line_reader::line_reader(int descriptor, std::size_t line_bytes_max, int wake)
    : descriptor_(descriptor),
      wake_(wake),
      line_bytes_max_(line_bytes_max),
      capacity_(first_capacity),
      buffer_(std::make_unique_for_overwrite<char[]>(first_capacity)) {}

bool line_reader::has_buffered_line() const {
  return std::memchr(buffer_.get() + scanned_, '\n', end_ - scanned_) != nullptr;
}

read_status line_reader::next(std::string_view& line) {
  for (;;) {
    const char* const base = buffer_.get();
    const void* const newline = std::memchr(base + scanned_, '\n', end_ - scanned_);
    const std::size_t stop =
        newline != nullptr ? static_cast<std::size_t>(static_cast<const char*>(newline) - base) : end_;
    if (stop - begin_ > line_bytes_max_) {
      throw input_error(line_number_ + 1, "longer than the limit of " + format_size(line_bytes_max_));
    }
    if (newline != nullptr || (at_end_ && begin_ != end_)) {
      line = {base + begin_, stop - begin_};
      begin_ = scanned_ = newline != nullptr ? stop + 1 : stop;
      ++line_number_;
      return read_status::ready;
    }
    scanned_ = end_;
    if (at_end_) return read_status::end;
    if (const read_status status = fill(); status == read_status::interrupted) return status;
  }
}

read_status line_reader::rest(std::string_view& all) {
  while (!at_end_) {
    if (const read_status status = fill(); status == read_status::interrupted) return status;
    if (end_ - begin_ > line_bytes_max_) {
      throw input_error(0, "the input is longer than the limit of " + format_size(line_bytes_max_));
    }
  }
  all = {buffer_.get() + begin_, end_ - begin_};
  begin_ = scanned_ = end_;
  return read_status::ready;
}

// Makes room behind `end_`: moves what is left to the front, and doubles the buffer when that is most of it.
void line_reader::make_room() {
  const std::size_t kept = end_ - begin_;
  if (kept > capacity_ / 2) {
    auto larger = std::make_unique_for_overwrite<char[]>(capacity_ * 2);
    std::memcpy(larger.get(), buffer_.get() + begin_, kept);
    buffer_ = std::move(larger);
    capacity_ *= 2;
  } else {
    std::memmove(buffer_.get(), buffer_.get() + begin_, kept);
  }
  scanned_ -= begin_;
  begin_ = 0;
  end_ = kept;
}

read_status line_reader::fill() {
  if (begin_ == end_) begin_ = scanned_ = end_ = 0;
  if (capacity_ - end_ < capacity_ / 2) make_room();
  for (;;) {
    if (wake_ != -1) {
      pollfd waiting[2] = {{descriptor_, POLLIN, 0}, {wake_, POLLIN, 0}};
      if (::poll(waiting, 2, -1) < 0 && errno != EINTR) {
        throw input_error(0, "cannot wait for input: " + std::system_category().message(errno));
      }
      if (waiting[1].revents != 0) return read_status::interrupted;
      if (waiting[0].revents == 0) continue;
    }
    const ssize_t count = ::read(descriptor_, buffer_.get() + end_, capacity_ - end_);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) throw input_error(0, "cannot read: " + std::system_category().message(errno));
    if (count == 0) at_end_ = true;
    end_ += static_cast<std::size_t>(count);
    bytes_read_ += static_cast<std::uint64_t>(count);
    return read_status::ready;
  }
}

}  // namespace skald::cli
