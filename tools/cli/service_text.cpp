#include "tools/cli/service_text.hpp"

#include "tools/cli/text_encoding.hpp"

namespace skald::cli {

error about_subject(const std::string& subject, const error& failed) {
  std::string message = failed.message();
  if (message.find("'" + subject + "'") == std::string::npos) {
    message = "service '" + printable(subject) + "': " + message;
  }
  if (failed.code() == errc::no_responders) {
    message += "; start one with: skald serve " + printable(subject) + " -- COMMAND";
  }
  return {static_cast<errc>(failed.code().value()), message};
}

std::string duration_text(std::chrono::microseconds time) {
  const auto count = time.count();
  if (count == 0) return "-";
  if (count < 1000) return std::to_string(count) + " us";
  // One decimal of the larger unit.
  const bool seconds = count >= 1'000'000;
  const auto tenths = count / (seconds ? 100'000 : 100);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + (seconds ? " s" : " ms");
}

}  // namespace skald::cli
