// A broker for one benchmark: a process of its own, so that what it costs is apart from what the client
// costs, on a data directory that goes with it.
//
// The child is this program, forked. It holds one end of a pipe and stops when the other end closes, which
// also happens when this process is killed: then the child removes the directory alone. It ignores the
// signals of the terminal, so that Ctrl-C ends the benchmark first.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace skald::cli::bench {

class embedded_broker {
 public:
  // Where the data directory is made unless the user says otherwise: $TMPDIR, or /var/tmp, which is on a disk
  // where /tmp may be memory.
  static std::filesystem::path default_parent();

  // Makes the data directory in `parent` and returns when the broker serves. Called before this process has
  // threads. Throws command_error, with nothing left behind.
  explicit embedded_broker(const std::filesystem::path& parent);
  // Stops it and removes the directory.
  ~embedded_broker();
  embedded_broker(const embedded_broker&) = delete;
  embedded_broker& operator=(const embedded_broker&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  pid_t process() const { return process_; }
  const std::filesystem::path& data_directory() const { return directory_; }

 private:
  void remove() noexcept;

  std::filesystem::path directory_;
  pid_t process_ = -1;
  int life_ = -1;  // our end of the pipe
  std::uint16_t port_ = 0;
};

// "ext4", "tmpfs" or the like: where fsync means something, and where it does not. Empty when unknown.
std::string file_system_of(const std::filesystem::path& path);

}  // namespace skald::cli::bench
