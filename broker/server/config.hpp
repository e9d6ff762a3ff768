// The daemon's configuration: every setting has one name, in the file (TOML), in the environment and as a
// flag.
//
//   data_dir = "/var/lib/skald"      SKALD_DATA_DIR=/var/lib/skald      --data-dir /var/lib/skald
//
// A flag wins over the environment, that over the file, that over the default. A mistake is reported with its
// place: the file's line and column, the variable, or the flag.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/server/log.hpp"
#include "broker/server/server.hpp"
#include "skald/protocol/result.hpp"

namespace skald::server {

struct daemon_config {
  server_settings server;
  bool allow_insecure = false;
  std::chrono::milliseconds stop_timeout{10'000};
  std::string log_level = "info";
  log_format log = log_format::text;
};

enum class setting_kind : std::uint8_t { text, flag, number, bytes, duration };

struct setting {
  std::string name;  // as in the file
  setting_kind kind = setting_kind::text;
  std::string help;
  // From what was written; fails with a sentence that does not repeat where.
  std::function<result<>(daemon_config&, std::string_view)> set;
  // As it is written in the file.
  std::function<std::string(const daemon_config&)> show;

  std::string flag() const;      // --data-dir
  std::string variable() const;  // SKALD_DATA_DIR
};

// All there are, in the order in which to show them.
std::span<const setting> all_settings();

// Where settings come from. Flags by setting name; the environment by variable name.
struct config_sources {
  std::optional<std::filesystem::path> file;
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> flags;
};

// The effective configuration, or everything that is wrong, one sentence each.
struct loaded_config {
  daemon_config config;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};
loaded_config load_config(const config_sources& from);

// SKALD_* of this process.
std::map<std::string, std::string> skald_environment();

// The configuration as a file that loads as the same.
std::string show_config(const daemon_config& config);

}  // namespace skald::server
