#pragma once

// The files that are measured: a scratch directory that is removed at the end, and the segments in it.

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace skald::bench::limit {

inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::size_t segment_bytes = std::size_t{128} << 20;
inline constexpr std::size_t segment_count = 8;

class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd();

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// A directory of its own inside `parent`, removed with all that is in it.
class scratch_directory {
 public:
  // Throws std::runtime_error, saying what is there and what is needed, when fewer than `bytes_needed` are
  // free.
  scratch_directory(const std::filesystem::path& parent, std::uint64_t bytes_needed);
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  ~scratch_directory();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

unique_fd open_file(const std::filesystem::path& path, int flags);
void write_fully(int fd, std::span<const std::byte> bytes, off_t position);
// Consumes `parts`.
void write_fully(int fd, std::vector<iovec>& parts, off_t position);
void sync_data(int fd);

// Writes zeroes over a whole file of `bytes` (a multiple of 1 MiB), past the page cache, and syncs it.
void zero_fill(const std::filesystem::path& path, std::size_t bytes);

// Bytes that neither a disk nor a file system can compress; the same ones each time, page-aligned.
std::span<const std::byte> random_bytes();

// Segments written once and then overwritten in turn, as a journal recycles them: writing changes no file
// metadata, so fdatasync has only data to flush.
class recycled_segments {
 public:
  // Creates the segments, which takes a second or two.
  explicit recycled_segments(const std::filesystem::path& directory);

  struct place {
    int fd;
    off_t position;
  };
  // The next `bytes` (at most a segment) in a row: behind the previous ones, or at the start of the next
  // segment.
  place advance(std::size_t bytes);

  int first() const { return files_.front().get(); }

 private:
  std::vector<unique_fd> files_;
  std::size_t current_ = 0;
  std::size_t used_ = 0;
};

}  // namespace skald::bench::limit
