// How much is written, as three different counters see it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace skald::bench::curves {

struct written {
  // By the process, to files: what it passed to write(2) and its kin, and what became dirty by that in the
  // page cache. Where that has pages of many sizes (Linux 6.16 on ext4), the latter counts large ones as a
  // whole each time a part of them is written, and says more than goes to the disk. See proc_pid_io(5):
  // wchar, write_bytes.
  std::uint64_t passed = 0;
  std::uint64_t dirtied = 0;
  // To the disk that has the directory, by everybody; nothing when that is not a device of its own.
  std::optional<std::uint64_t> disk;
};

// Up to now.
written written_by(pid_t process, const std::filesystem::path& directory);

}  // namespace skald::bench::curves
