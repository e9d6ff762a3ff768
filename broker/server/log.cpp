#include "broker/server/log.hpp"

#include <spdlog/details/fmt_helper.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <string_view>

namespace skald::server {

namespace {

// The message as the inside of a JSON string.
class json_text final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    for (const char c : std::string_view(message.payload.data(), message.payload.size())) {
      const auto code = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (code < 0x20 || code == 0x7f) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
      } else {
        out.push_back(c);
      }
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<json_text>(); }
};

}  // namespace

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("skald", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::warn);
    made->flush_on(spdlog::level::trace);
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e %-7l %v");
    return made;
  }();
  return *instance;
}

void configure_log(spdlog::level::level_enum level, log_format format) {
  logger().set_level(level);
  if (format == log_format::text) return;
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<json_text>('*');
  formatter->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%*"})");
  logger().set_formatter(std::move(formatter));
}

std::optional<std::uint64_t> noise_limiter::admit() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - second_began_ >= std::chrono::seconds(1)) {
    second_began_ = now;
    lines_ = 0;
  }
  if (++lines_ > lines_per_second_) {
    ++left_out_;
    return std::nullopt;
  }
  return std::exchange(left_out_, 0);
}

void noise_limiter::write(const std::string& line, std::uint64_t left_out) {
  if (left_out == 0) {
    logger().warn(line);
  } else {
    logger().warn("{} ({} such lines before it were left out)", line, left_out);
  }
}

noise_limiter& connection_noise() {
  static noise_limiter limiter(10);
  return limiter;
}

}  // namespace skald::server
