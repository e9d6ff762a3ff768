#include "bench/limit/files.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>

#include "bench/limit/process.hpp"

namespace skald::bench::limit {
namespace {

constexpr std::size_t fill_bytes = std::size_t{1} << 20;
constexpr std::size_t random_size = std::size_t{16} << 20;

std::span<std::byte> anonymous_memory(std::size_t bytes) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::byte*>(memory), bytes};
}

}  // namespace

unique_fd::~unique_fd() {
  if (fd_ >= 0) ::close(fd_);
}

namespace {

// Past the page cache where the file system can; one in memory may not, and has nothing to get past.
unique_fd open_direct(const std::filesystem::path& path, int flags) {
  try {
    return open_file(path, flags | O_DIRECT);
  } catch (const std::system_error& failed) {
    if (failed.code() != std::errc::invalid_argument) throw;
    return open_file(path, flags);
  }
}

}  // namespace

scratch_directory::scratch_directory(const std::filesystem::path& parent, std::uint64_t bytes_needed) {
  struct statfs disk{};
  if (statfs(parent.c_str(), &disk) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot use --dir " + parent.string());
  const std::uint64_t available = std::uint64_t{disk.f_bavail} * static_cast<std::uint64_t>(disk.f_bsize);
  if (available < bytes_needed)
    throw std::runtime_error("the disk is too small: " + parent.string() + " has " +
                             std::to_string(available >> 20) + " MiB free and this run needs " +
                             std::to_string(bytes_needed >> 20) + " MiB; choose another --dir");
  if (disk.f_type == TMPFS_MAGIC && bytes_needed > 0)
    std::fprintf(stderr, "skald-limit: %s is in memory (tmpfs): its figures say nothing about a disk\n",
                 parent.c_str());
  std::string name = (parent / "skald-limit-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(),
                            "cannot create a directory in " + parent.string());
  path_ = name;
}

scratch_directory::~scratch_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

unique_fd open_file(const std::filesystem::path& path, int flags) {
  const std::string what = "open " + path.string();
  return unique_fd(checked(what.c_str(), [&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); }));
}

void write_fully(int fd, std::span<const std::byte> bytes, off_t position) {
  while (!bytes.empty()) {
    const ssize_t written =
        checked("write", [&] { return pwrite(fd, bytes.data(), bytes.size(), position); });
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    position += written;
  }
}

void write_fully(int fd, std::vector<iovec>& parts, off_t position) {
  auto part = parts.begin();
  while (part != parts.end()) {
    const auto count = static_cast<int>(parts.end() - part);
    const ssize_t written = checked("write", [&] { return pwritev(fd, &*part, count, position); });
    position += written;
    auto left = static_cast<std::size_t>(written);
    for (; part != parts.end() && left >= part->iov_len; ++part) left -= part->iov_len;
    if (part == parts.end()) break;
    part->iov_base = static_cast<std::byte*>(part->iov_base) + left;
    part->iov_len -= left;
  }
}

void sync_data(int fd) {
  checked("fdatasync", [fd] { return fdatasync(fd); });
}

void zero_fill(const std::filesystem::path& path, std::size_t bytes) {
  static const std::span<const std::byte> zeroes = anonymous_memory(fill_bytes);
  const unique_fd file = open_direct(path, O_CREAT | O_TRUNC | O_WRONLY);
  for (std::size_t position = 0; position < bytes; position += fill_bytes)
    write_fully(file.get(), zeroes, static_cast<off_t>(position));
  sync_data(file.get());
}

std::span<const std::byte> random_bytes() {
  static const std::span<const std::byte> bytes = [] {
    const std::span<std::byte> memory = anonymous_memory(random_size);
    std::mt19937_64 random(7411);
    const std::span words(reinterpret_cast<std::uint64_t*>(memory.data()),
                          memory.size() / sizeof(std::uint64_t));
    std::ranges::generate(words, random);
    return memory;
  }();
  return bytes;
}

recycled_segments::recycled_segments(const std::filesystem::path& directory) {
  for (std::size_t i = 0; i < segment_count; ++i) {
    const std::filesystem::path path = directory / ("segment-" + std::to_string(i));
    throw_if_interrupted();
    zero_fill(path, segment_bytes);
    files_.push_back(open_file(path, O_RDWR));
  }
}

recycled_segments::place recycled_segments::advance(std::size_t bytes) {
  if (used_ + bytes > segment_bytes) {
    current_ = (current_ + 1) % files_.size();
    used_ = 0;
  }
  const place result{files_[current_].get(), static_cast<off_t>(used_)};
  used_ += bytes;
  return result;
}

}  // namespace skald::bench::limit
