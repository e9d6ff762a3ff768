// Where the broker says what it does: one spdlog logger, to standard error, quiet below warnings until a
// program configures it.
#pragma once

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace skald::server {

enum class log_format : std::uint8_t { text, json };

// Thread-safe.
spdlog::logger& logger();
// Called before other threads log.
void configure_log(spdlog::level::level_enum level, log_format format);

// What any client can provoke must not fill a disk: a few lines a second, then only how many were left out.
// Thread-safe.
class noise_limiter {
 public:
  explicit noise_limiter(int lines_per_second) : lines_per_second_(lines_per_second) {}

  template <class... Args>
  void log(fmt::format_string<Args...> format, Args&&... args) {
    if (const auto left_out = admit()) write(fmt::format(format, std::forward<Args>(args)...), *left_out);
  }

 private:
  // How many lines were left out before this one; nothing when it is to be left out, too.
  std::optional<std::uint64_t> admit();
  static void write(const std::string& line, std::uint64_t left_out);

  const int lines_per_second_;
  std::mutex mutex_;  // guards what follows
  std::chrono::steady_clock::time_point second_began_;
  int lines_ = 0;
  std::uint64_t left_out_ = 0;
};

// For what single connections do.
noise_limiter& connection_noise();

}  // namespace skald::server
