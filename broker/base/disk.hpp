// The file system, as the journal sees it: the seam where tests put a disk that loses unsynced writes, tears
// them, fills up, fails and flips bits.
//
// Every call reports an operating error as a std::error_code and leaves what to do about it to the caller.
// A `file` may be read from any thread while one thread writes it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace skald {

class file {
 public:
  virtual ~file() = default;

  // Writes all of the parts, contiguously from `position`, or fails; a failure may leave any part written.
  virtual std::error_code write(std::uint64_t position, std::span<const iovec> parts) = 0;

  enum class blocking { allowed, refused };
  // Fills all of the parts from `position`. With blocking refused it reads only what is in memory and
  // otherwise fails with std::errc::operation_would_block. Reading past the end fails with
  // std::errc::io_error.
  virtual std::error_code read(std::uint64_t position, std::span<const iovec> parts, blocking mode) = 0;

  // Makes all writes so far durable (fdatasync). After a failure nothing is known about them: neither a later
  // sync nor what reads back tells the truth.
  virtual std::error_code sync() = 0;

  // A hint that a sync() of these bytes will follow: the disk begins to write them meanwhile. The page that
  // they end in may be left, for what is written next.
  virtual void begin_sync(std::uint64_t position, std::uint64_t bytes) = 0;

  // Makes the file `size` bytes long, with blocks of its own: later writes within it never want for space.
  // The new bytes read as zeros. Takes milliseconds. Fails with no_space_on_device when there is no room.
  virtual std::error_code allocate(std::uint64_t size) = 0;
  // Writes zeros, so that later writes there change no metadata, which makes their sync quicker. It bypasses
  // the page cache where it can, takes as long as writing takes, and promises nothing about durability.
  // Position and size are multiples of 4096.
  virtual std::error_code write_zeros(std::uint64_t position, std::uint64_t bytes) = 0;
  // A hint that these bytes will be read soon.
  virtual void prefetch(std::uint64_t position, std::uint64_t bytes) = 0;

  virtual std::uint64_t size() const = 0;
};

class disk {
 public:
  virtual ~disk() = default;

  enum class open_mode { existing, read_only, create };  // create: fails when it exists
  virtual std::error_code open(const std::filesystem::path& path, open_mode mode,
                               std::unique_ptr<file>& out) = 0;
  virtual std::error_code rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual std::error_code remove(const std::filesystem::path& path) = 0;
  // The names (not paths) of the regular files of a directory, sorted.
  virtual std::error_code list(const std::filesystem::path& directory, std::vector<std::string>& out) = 0;
  // Makes a directory, with those above it, durably; one that is there already is fine.
  virtual std::error_code make_directory(const std::filesystem::path& directory) = 0;
  // Makes creations, renames and removals in a directory durable.
  virtual std::error_code sync_directory(const std::filesystem::path& directory) = 0;
  virtual std::error_code free_bytes(const std::filesystem::path& directory, std::uint64_t& out) = 0;
};

// The machine's own; stateless, shared by all threads.
disk& native_disk();

}  // namespace skald
