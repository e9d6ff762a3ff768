// `skaldd verify` and `skaldd dump`: they look into a data directory that no broker is using, and change
// nothing.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace skald {

class offline_commands {
 public:
  // Adds them to the program's command line.
  explicit offline_commands(CLI::App& to);
  offline_commands(const offline_commands&) = delete;
  offline_commands& operator=(const offline_commands&) = delete;

  // The exit code of the command that was given; nothing when none was. 0: done, and verify found no error;
  // 1: verify found errors. Throws skald::error when there is nothing to look into.
  std::optional<int> run() const;

 private:
  int verify() const;
  int dump() const;

  CLI::App* verify_ = nullptr;
  CLI::App* dump_ = nullptr;
  std::string data_dir_;
  std::string output_ = "text";
  std::vector<std::string> sections_;
};

}  // namespace skald
