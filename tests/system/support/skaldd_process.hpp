// A real skaldd with a data directory of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/system/support/child_process.hpp"

namespace skald::tests {

// A new directory that goes with this object.
class scratch_directory {
 public:
  scratch_directory();
  ~scratch_directory();
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class skaldd_process {
 public:
  // Starts a broker on the directory and returns when it accepts connections. The first start takes a free
  // port, later ones take the same. Throws std::runtime_error, with what the broker wrote, when it does not.
  skaldd_process(std::string program, std::filesystem::path data_directory,
                 std::vector<std::string> more_arguments = {});

  void start();
  // SIGKILL, and waits until it is gone.
  void kill();
  // SIGTERM, and waits for the end.
  process_result stop();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::uint16_t port() const { return port_; }
  child_process& process() { return *process_; }

 private:
  std::string program_;
  std::filesystem::path data_directory_;
  std::vector<std::string> more_arguments_;
  std::uint16_t port_ = 0;
  std::unique_ptr<child_process> process_;
};

}  // namespace skald::tests
