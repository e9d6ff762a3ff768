#include "tools/cli/command.hpp"

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
  if (failed.code() == errc::unknown_topic) message += "; create it with: skald topic create " + topic;
  return {static_cast<errc>(failed.code().value()), message};
}

std::vector<record_header> parse_headers(const std::vector<std::string>& texts) {
  std::vector<record_header> headers;
  for (const std::string_view text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw CLI::ValidationError("--header", "'" + printable(text) + "' is not KEY=VALUE");
    }
    headers.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return headers;
}

command_error to_command_error(const error& failed) {
  const auto is = [&](errc code) { return failed.code() == code; };
  if (is(errc::cannot_connect)) return {exit_code::cannot_connect, failed.message()};
  if (is(errc::deadline_exceeded)) return {exit_code::timed_out, failed.message()};
  return {exit_code::failed, failed.message()};
}

}  // namespace skald::cli
