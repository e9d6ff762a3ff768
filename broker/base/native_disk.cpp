// The machine's file system.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "broker/base/disk.hpp"

namespace skald {

namespace {

std::error_code system_error(int number) {
  // A quota is a full disk to whoever has it.
  if (number == EDQUOT) number = ENOSPC;
  return {number, std::generic_category()};
}

class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&&) = delete;
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

descriptor open_descriptor(const char* path, int flags) {
  int number = -1;
  do {
    number = ::open(path, flags | O_CLOEXEC, 0640);
  } while (number < 0 && errno == EINTR);
  return descriptor(number);
}

// The kernel takes at most IOV_MAX parts at once and may move fewer bytes than asked: this walks over `parts`
// with `move(parts, count, position)` until all are moved. `at_end` is what moving nothing means.
template <class Move>
std::error_code move_all(std::uint64_t position, std::span<const iovec> parts, std::errc at_end, Move move) {
  std::array<iovec, IOV_MAX> chunk;
  std::size_t next = 0;
  std::size_t skip = 0;  // bytes of parts[next] already moved
  for (;;) {
    while (next < parts.size() && parts[next].iov_len == skip) ++next, skip = 0;
    if (next == parts.size()) return {};
    const std::size_t count = std::min(parts.size() - next, chunk.size());
    std::copy_n(parts.begin() + static_cast<std::ptrdiff_t>(next), count, chunk.begin());
    chunk[0].iov_base = static_cast<std::byte*>(chunk[0].iov_base) + skip;
    chunk[0].iov_len -= skip;
    const ssize_t moved = move(chunk.data(), static_cast<int>(count), static_cast<off_t>(position));
    if (moved < 0) {
      if (errno == EINTR) continue;
      return system_error(errno);
    }
    if (moved == 0) return std::make_error_code(at_end);
    position += static_cast<std::uint64_t>(moved);
    for (auto left = static_cast<std::size_t>(moved); left > 0;) {
      const std::size_t step = std::min(left, parts[next].iov_len - skip);
      left -= step;
      skip += step;
      if (skip == parts[next].iov_len) ++next, skip = 0;
    }
  }
}

constexpr std::size_t zeros_bytes = 1u << 20;

const std::byte* zeros() {
  struct free_deleter {
    void operator()(void* memory) const { std::free(memory); }
  };
  static const std::unique_ptr<void, free_deleter> block = [] {
    void* memory = std::aligned_alloc(4096, zeros_bytes);  // O_DIRECT wants alignment
    if (memory == nullptr) throw std::bad_alloc();
    std::fill_n(static_cast<std::byte*>(memory), zeros_bytes, std::byte{0});
    return std::unique_ptr<void, free_deleter>(memory);
  }();
  return static_cast<const std::byte*>(block.get());
}

class native_file final : public file {
 public:
  native_file(descriptor opened, std::uint64_t size) : descriptor_(std::move(opened)), size_(size) {}

  std::error_code write(std::uint64_t position, std::span<const iovec> parts) override {
    return move_all(position, parts, std::errc::io_error, [this](const iovec* from, int count, off_t at) {
      return ::pwritev(descriptor_.get(), from, count, at);
    });
  }

  std::error_code read(std::uint64_t position, std::span<const iovec> parts, blocking mode) override {
    const int flags = mode == blocking::refused ? RWF_NOWAIT : 0;
    const std::error_code failed =
        move_all(position, parts, std::errc::io_error, [this, flags](const iovec* into, int count, off_t at) {
          return ::preadv2(descriptor_.get(), into, count, at, flags);
        });
    // A file system without RWF_NOWAIT cannot promise not to block.
    if (mode == blocking::refused && failed == std::errc::operation_not_supported) {
      return std::make_error_code(std::errc::operation_would_block);
    }
    return failed;
  }

  std::error_code sync() override {
    if (::fdatasync(descriptor_.get()) == 0) return {};
    const std::error_code failed = system_error(errno);
    // Linux marks the pages that it failed to write as clean. Dropping them makes whoever reads the file
    // after a restart see what is on the disk instead.
    ::posix_fadvise(descriptor_.get(), 0, 0, POSIX_FADV_DONTNEED);
    return failed;
  }

  void begin_sync(std::uint64_t position, std::uint64_t bytes) override {
    constexpr std::uint64_t page = 4096;
    const std::uint64_t begin = position / page * page;
    const std::uint64_t end = (position + bytes) / page * page;
    // Of zero bytes it would take the whole rest of the file. What fails to be written, the next sync tells.
    if (begin == end) return;
    ::sync_file_range(descriptor_.get(), static_cast<off64_t>(begin), static_cast<off64_t>(end - begin),
                      SYNC_FILE_RANGE_WRITE);
  }

  std::error_code allocate(std::uint64_t size) override {
    int failed = 0;
    do {
      failed = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size));
    } while (failed == EINTR);
    if (failed != 0) return system_error(failed);
    size_.store(size);
    return {};
  }

  std::error_code write_zeros(std::uint64_t position, std::uint64_t bytes) override {
    const std::string self = "/proc/self/fd/" + std::to_string(descriptor_.get());
    const descriptor direct = open_descriptor(self.c_str(), O_WRONLY | O_DIRECT);
    const int target = direct ? direct.get() : descriptor_.get();
    while (bytes > 0) {
      const std::size_t step = std::min<std::uint64_t>(bytes, zeros_bytes);
      const ssize_t moved = ::pwrite(target, zeros(), step, static_cast<off_t>(position));
      if (moved < 0 && errno == EINTR) continue;
      if (moved < 0) return system_error(errno);
      position += static_cast<std::uint64_t>(moved);
      bytes -= static_cast<std::uint64_t>(moved);
    }
    return {};
  }

  void prefetch(std::uint64_t position, std::uint64_t bytes) override {
    ::posix_fadvise(descriptor_.get(), static_cast<off_t>(position), static_cast<off_t>(bytes),
                    POSIX_FADV_WILLNEED);
  }

  std::uint64_t size() const override { return size_.load(); }

 private:
  descriptor descriptor_;
  std::atomic<std::uint64_t> size_;
};

class native_disk_type final : public disk {
 public:
  std::error_code open(const std::filesystem::path& path, open_mode mode,
                       std::unique_ptr<file>& out) override {
    int flags = O_RDWR;
    if (mode == open_mode::read_only) flags = O_RDONLY;
    if (mode == open_mode::create) flags = O_RDWR | O_CREAT | O_EXCL;
    descriptor opened = open_descriptor(path.c_str(), flags);
    struct stat about{};
    if (!opened || ::fstat(opened.get(), &about) != 0) return system_error(errno);
    out = std::make_unique<native_file>(std::move(opened), static_cast<std::uint64_t>(about.st_size));
    return {};
  }

  std::error_code rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? std::error_code() : system_error(errno);
  }

  std::error_code remove(const std::filesystem::path& path) override {
    return ::unlink(path.c_str()) == 0 ? std::error_code() : system_error(errno);
  }

  std::error_code list(const std::filesystem::path& directory, std::vector<std::string>& out) override {
    std::error_code failed;
    out.clear();
    std::filesystem::directory_iterator entries(directory, failed);
    for (; !failed && entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
      std::error_code gone;
      if (entries->is_regular_file(gone)) out.push_back(entries->path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return failed;
  }

  std::error_code make_directory(const std::filesystem::path& directory) override {
    std::error_code failed;
    if (std::filesystem::is_directory(directory, failed)) return {};
    const std::filesystem::path parent = std::filesystem::absolute(directory, failed).parent_path();
    if (!failed) failed = make_directory(parent);
    if (failed) return failed;
    if (::mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) return system_error(errno);
    return sync_directory(parent);
  }

  std::error_code sync_directory(const std::filesystem::path& directory) override {
    const descriptor opened = open_descriptor(directory.c_str(), O_RDONLY | O_DIRECTORY);
    if (!opened || ::fsync(opened.get()) != 0) return system_error(errno);
    return {};
  }

  std::error_code free_bytes(const std::filesystem::path& directory, std::uint64_t& out) override {
    struct statvfs about{};
    if (::statvfs(directory.c_str(), &about) != 0) return system_error(errno);
    out = static_cast<std::uint64_t>(about.f_bavail) * about.f_frsize;
    return {};
  }
};

}  // namespace

disk& native_disk() {
  static native_disk_type disk;
  return disk;
}

}  // namespace skald
