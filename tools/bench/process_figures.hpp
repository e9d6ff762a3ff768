// What a process on this machine costs, from /proc (see proc(5)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skald::cli::bench {

struct process_figures {
  double cpu_seconds = 0;
  std::uint64_t peak_memory_bytes = 0;  // the most it has had resident
  // What it passed to write(2) and its kin, which are files (sockets are sent to); absent where the system
  // does not say. The count of dirtied bytes beside it says more than goes to the disk on systems whose page
  // cache has large pages.
  std::optional<std::uint64_t> disk_written_bytes;
};

// Nothing when there is no such process, or it is another user's.
std::optional<process_figures> figures_of(pid_t process);
// Of this one; never fails.
process_figures own_figures();

// The process that listens on this port of the loopback interface, if it may be known.
std::optional<pid_t> listening_process(std::uint16_t port);

// ---- the files, for tests --------------------------------------------------------------------------------

// Ticks of user and system time in /proc/PID/stat, whose second field is a name that may hold anything.
std::optional<std::uint64_t> cpu_ticks(std::string_view stat);
// The number behind "NAME:" at the beginning of a line, as in /proc/PID/status and /proc/PID/io.
std::optional<std::uint64_t> field(std::string_view text, std::string_view name);
// In /proc/net/tcp or tcp6: the inode of the socket that listens on the port, at any address.
std::optional<std::uint64_t> listening_inode(std::string_view table, std::uint16_t port);

}  // namespace skald::cli::bench
