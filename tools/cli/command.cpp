#include "tools/cli/command.hpp"

#include <algorithm>
#include <charconv>
#include <skald/protocol/topic_name.hpp>
#include <utility>

#include "tools/cli/text_encoding.hpp"

namespace skald::cli {

blocking_client connect(const global_options& globals) {
  try {
    blocking_client broker({.address = globals.broker,
                            .client_name = "skald",
                            .timeout = globals.timeout,
                            .connect_timeout = globals.timeout});
    broker.connect({.timeout = globals.timeout});
    return broker;
  } catch (const error& failed) {
    if (failed.code() == errc::invalid_request) throw command_error(exit_code::usage, failed.message());
    throw command_error(exit_code::cannot_connect, failed.message() +
                                                       "\n  start a broker with: skaldd --data-dir DIR\n"
                                                       "  or name another with -b HOST:PORT or SKALD_BROKER");
  }
}

error about(const std::string& topic, const error& failed) {
  std::string message = failed.message();
  if (message.find("'" + topic + "'") == std::string::npos) {
    message = "topic '" + printable(topic) + "': " + message;
  }
  if (failed.code() == errc::unknown_topic) {
    const result<> possible = protocol::check_topic_name(topic);
    message += possible ? "; create it with: skald topic create " + topic : ": " + possible.error().message;
  }
  return {static_cast<errc>(failed.code().value()), message};
}

start_point to_start_point(const start_position& from) {
  if (std::holds_alternative<from_earliest>(from)) return skald::earliest;
  if (std::holds_alternative<from_latest>(from)) return skald::latest;
  if (const offset* at = std::get_if<offset>(&from)) return *at;
  return std::get<timestamp>(from);
}

command_error to_command_error(const error& failed) {
  const auto is = [&](errc code) { return failed.code() == code; };
  if (is(errc::cannot_connect)) return {exit_code::cannot_connect, failed.message()};
  if (is(errc::deadline_exceeded)) return {exit_code::timed_out, failed.message()};
  return {exit_code::failed, failed.message()};
}

CLI::Validator whole_number(std::uint64_t min, std::uint64_t max) {
  const auto check = [min, max](const std::string& text) -> std::string {
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = end == text.data() + text.size() && failed != std::errc::invalid_argument;
    if (!whole) return "'" + printable(text) + "' is not a whole number";
    if (failed == std::errc() && number >= min && number <= max) return {};
    return text + " is out of range; it must be from " + std::to_string(min) + " to " + std::to_string(max);
  };
  return {check, ""};
}

CLI::Validator one_of(std::vector<std::string> words) {
  const auto check = [words = std::move(words)](const std::string& text) -> std::string {
    if (std::ranges::find(words, text) != words.end()) return {};
    std::string list;
    for (const std::string& each : words) list += (list.empty() ? "" : ", ") + each;
    return "'" + printable(text) + "' is none of " + list;
  };
  return {check, ""};
}

}  // namespace skald::cli
