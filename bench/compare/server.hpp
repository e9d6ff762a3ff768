// The server of a peer: a process of its own that lives as long as this object, or as this process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/limit/files.hpp"

namespace skald::bench::compare {

// The program: where `variable` of the environment says, or on PATH, or in a directory for administrators'
// programs. Nothing when there is none.
std::optional<std::filesystem::path> find_program(const char* variable, std::string_view name);

std::optional<std::filesystem::path> find_on_path(std::string_view name);

// A file of settings/, with @PORT@, @PORT2@ and @DIR@ replaced, written into the directory. Its path.
std::filesystem::path write_settings(std::string_view name, const std::filesystem::path& directory,
                                     std::uint16_t port, std::uint16_t second_port = 0);

class server {
 public:
  // `environment` is "NAME=value" and adds to this process's. What it prints goes to server.log in the
  // directory.
  server(const std::vector<std::string>& command, const std::vector<std::string>& environment,
         const std::filesystem::path& directory);
  // SIGTERM, then SIGKILL for one that takes longer than a few seconds; of its whole process group.
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  // Returns when it accepts connections on the port. Throws with the end of what it printed when it does not.
  void wait_for(std::uint16_t port) const;

 private:
  [[noreturn]] void fail(const std::string& what) const;

  pid_t process_ = -1;
  limit::unique_fd life_;  // closed, everything that the server has started ends
  std::filesystem::path log_;
};

}  // namespace skald::bench::compare
