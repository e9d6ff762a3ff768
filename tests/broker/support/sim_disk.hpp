// A disk that behaves as badly as a real one may. It keeps, for each file and for the directory, what is
// durable and what is merely written; a crash keeps or loses each unsynced sector and each unsynced directory
// operation at random. It fails, fills up and rots on request. All randomness comes from the seed.
//
// Thread-safe. Simulates regular files; directories exist durably once made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/base/disk.hpp"

namespace skald::testing {

class sim_disk final : public disk {
 public:
  static constexpr std::size_t sector_bytes = 512;

  explicit sim_disk(std::uint64_t seed, std::uint64_t capacity = UINT64_MAX);
  ~sim_disk() override;

  // ---- what goes wrong ----

  // The machine loses power: unsynced sectors and directory operations survive or not. Handles opened before
  // fail from now on, those opened afterwards see what survived.
  void crash();
  // As if the process alone had died: nothing is lost, old handles fail.
  void kill();
  // After this many further operations that write or sync, the power is gone: that one and all others
  // fail until crash(). A failing write has written a random part of its sectors.
  void lose_power_after(std::uint64_t operations);
  bool power_lost() const;
  // The `operations`-th next write or sync fails once with this error, without effect.
  void fail_after(std::uint64_t operations, std::errc how);
  // Reads of a file fail from now on.
  void fail_reads_of(const std::filesystem::path& path, std::errc how);
  // Flips one bit of a file, durably.
  void flip_bit(const std::filesystem::path& path, std::uint64_t bit);
  void set_capacity(std::uint64_t bytes);
  // Reads with blocking refused would block.
  void set_cold(bool cold);

  // ---- what a test wants to know ----

  std::uint64_t writing_operations() const;  // writes, syncs and changes of the directory so far
  std::uint64_t used_bytes() const;
  std::uint64_t zeros_written() const;  // ahead of use, bytes so far
  std::vector<std::byte> contents(const std::filesystem::path& path) const;
  void replace(const std::filesystem::path& path, std::vector<std::byte> bytes);  // durably

  // ---- disk ----

  std::error_code open(const std::filesystem::path& path, open_mode mode,
                       std::unique_ptr<file>& out) override;
  std::error_code rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  std::error_code remove(const std::filesystem::path& path) override;
  std::error_code list(const std::filesystem::path& directory, std::vector<std::string>& out) override;
  std::error_code make_directory(const std::filesystem::path& directory) override;
  std::error_code sync_directory(const std::filesystem::path& directory) override;
  std::error_code free_bytes(const std::filesystem::path& directory, std::uint64_t& out) override;

 private:
  struct inode;
  class handle;
  struct change {  // of the directory; without `to` a removal, without `from` a creation
    std::string from;
    std::string to;
    std::shared_ptr<inode> made;
  };
  using names = std::map<std::string, std::shared_ptr<inode>>;

  std::error_code may_write();  // under mutex_: counts, and says how this operation fails
  static bool apply(names& to, const change& what);
  std::uint64_t free_now() const;
  std::shared_ptr<inode> find(const std::filesystem::path& path) const;

  // Guards everything below and all inodes.
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::uint64_t capacity_;
  std::uint64_t epoch_ = 0;  // handles of an older one fail
  std::uint64_t operations_ = 0;
  std::uint64_t zeros_written_ = 0;
  std::optional<std::uint64_t> power_lost_at_;
  std::optional<std::uint64_t> failing_at_;
  std::errc failing_how_{};
  bool cold_ = false;
  names durable_;
  names written_;
  std::vector<change> unsynced_;
};

}  // namespace skald::testing
