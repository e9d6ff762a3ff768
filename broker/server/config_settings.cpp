// The table of settings: names, bounds and where each is kept.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <limits>
#include <utility>

#include "broker/server/config.hpp"
#include "broker/server/units.hpp"

namespace skald::server {

namespace {

constexpr std::uint64_t kib = 1u << 10;
constexpr std::uint64_t mib = 1u << 20;
constexpr std::uint64_t gib = 1u << 30;

failure wrong(std::string why) {
  return {errc::invalid_settings, std::move(why)};
}

// `of` names the member: auto& (daemon_config&).
template <class Member>
setting number(std::string name, std::uint64_t least, std::uint64_t most, std::string help, Member of) {
  return {
      std::move(name), setting_kind::number, std::move(help),
      [=](daemon_config& config, std::string_view text) -> result<> {
        std::uint64_t value = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (failed != std::errc() || end != text.data() + text.size()) {
          return wrong(fmt::format("'{}' is not a whole number", text));
        }
        if (value < least || value > most) {
          return wrong(fmt::format("{} is out of range; it must be from {} to {}", value, least, most));
        }
        auto& member = of(config);
        member = static_cast<std::remove_reference_t<decltype(member)>>(value);
        return {};
      },
      [=](const daemon_config& config) { return fmt::format("{}", of(const_cast<daemon_config&>(config))); }};
}

template <class Member>
setting bytes(std::string name, std::uint64_t least, std::uint64_t most, std::string help, Member of) {
  return {std::move(name), setting_kind::bytes, std::move(help),
          [=](daemon_config& config, std::string_view text) -> result<> {
            const auto value = parse_bytes(text);
            if (!value) return value.error();
            if (*value < least || *value > most) {
              return wrong(fmt::format("{} is out of range; it must be from {} to {}", text,
                                       show_bytes(least), show_bytes(most)));
            }
            auto& member = of(config);
            member = static_cast<std::remove_reference_t<decltype(member)>>(*value);
            return {};
          },
          [=](const daemon_config& config) {
            return fmt::format("\"{}\"", show_bytes(of(const_cast<daemon_config&>(config))));
          }};
}

template <class Member>
setting duration(std::string name, std::chrono::milliseconds least, std::chrono::milliseconds most,
                 std::string help, Member of) {
  return {std::move(name), setting_kind::duration, std::move(help),
          [=](daemon_config& config, std::string_view text) -> result<> {
            const auto value = parse_duration(text);
            if (!value) return value.error();
            if (*value < least || *value > most) {
              return wrong(fmt::format("{} is out of range; it must be from {} to {}", text,
                                       show_duration(least), show_duration(most)));
            }
            of(config) = *value;
            return {};
          },
          [=](const daemon_config& config) {
            return fmt::format("\"{}\"", show_duration(of(const_cast<daemon_config&>(config))));
          }};
}

// A string as TOML writes it.
std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

result<> set_listen(daemon_config& config, std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  std::uint16_t value = 0;
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (port.empty() || failed != std::errc() || end != port.data() + port.size()) {
    return wrong(fmt::format(
        "'{}' is not an address; write ADDRESS:PORT, such as 127.0.0.1:7411 or [::1]:7411", text));
  }
  std::string_view address = text.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  boost::system::error_code bad;
  const auto ip = boost::asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, bad);
  if (bad)
    return wrong(fmt::format("'{}' is not an IP address; write one such as 127.0.0.1 or [::1]", address));
  config.server.listen_address = ip.to_string();
  config.server.port = value;
  return {};
}

std::string show_listen(const daemon_config& config) {
  const std::string& address = config.server.listen_address;
  const bool six = address.find(':') != std::string::npos;
  return six ? fmt::format("\"[{}]:{}\"", address, config.server.port)
             : fmt::format("\"{}:{}\"", address, config.server.port);
}

result<> set_choice(std::string& to, std::string_view text, std::initializer_list<std::string_view> choices) {
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
    return wrong(fmt::format("'{}' is not one of: {}", text, fmt::join(choices, ", ")));
  }
  to = text;
  return {};
}

std::vector<setting> where_and_who() {
  return {
      {"data_dir", setting_kind::text, "Where everything durable is kept; made when missing",
       [](daemon_config& config, std::string_view text) -> result<> {
         if (text.empty()) return wrong("it must not be empty");
         config.server.data_directory = std::filesystem::path(text);
         return {};
       },
       [](const daemon_config& config) { return toml_text(config.server.data_directory.string()); }},
      {"listen", setting_kind::text, "Address and port to serve on", set_listen, show_listen},
      {"allow_insecure", setting_kind::flag,
       "Serve on an address other machines can reach, without authentication or encryption",
       [](daemon_config& config, std::string_view text) -> result<> {
         if (text != "true" && text != "false")
           return wrong(fmt::format("'{}' is neither true nor false", text));
         config.allow_insecure = text == "true";
         return {};
       },
       [](const daemon_config& config) { return std::string(config.allow_insecure ? "true" : "false"); }},
      number("threads", 0, 256, "Network threads; 0 is one for every two cores",
             [](daemon_config& of) -> auto& { return of.server.threads; }),
      {"log_level", setting_kind::text, "trace, debug, info, warn, error or off",
       [](daemon_config& config, std::string_view text) {
         return set_choice(config.log_level, text, {"trace", "debug", "info", "warn", "error", "off"});
       },
       [](const daemon_config& config) { return toml_text(config.log_level); }},
      {"log_format", setting_kind::text, "text, or json for one object a line",
       [](daemon_config& config, std::string_view text) -> result<> {
         std::string choice;
         if (const auto set = set_choice(choice, text, {"text", "json"}); !set) return set.error();
         config.log = choice == "json" ? log_format::json : log_format::text;
         return {};
       },
       [](const daemon_config& config) {
         return std::string(config.log == log_format::json ? "\"json\"" : "\"text\"");
       }},
      duration("stop_timeout", std::chrono::milliseconds(0), std::chrono::hours(1),
               "How long a stop waits for connections to finish",
               [](daemon_config& of) -> auto& { return of.stop_timeout; }),
  };
}

std::vector<setting> storage() {
  using std::chrono::milliseconds;
  return {
      bytes("segment_bytes", 8 * mib, 2 * gib, "Size of one journal file",
            [](daemon_config& of) -> auto& { return of.server.shard.journal.segment_bytes; }),
      number("spare_segments_max", 1, 1024, "Recycled journal files kept ready; more are removed",
             [](daemon_config& of) -> auto& { return of.server.shard.journal.spare_segments_max; }),
      bytes("reserve_bytes", 0, 1024 * gib, "Free disk space that publishes never use up",
            [](daemon_config& of) -> auto& { return of.server.shard.journal.reserve_bytes; }),
      bytes("replay_bytes_max", mib, 64 * gib, "How much journal a restart may have to replay",
            [](daemon_config& of) -> auto& { return of.server.shard.replay_bytes_max; }),
      bytes("state_map_bytes", 64 * mib, 4096 * gib, "Address space reserved for the state",
            [](daemon_config& of) -> auto& { return of.server.shard.state_map_bytes; }),
      duration("retention_interval", milliseconds(10), std::chrono::hours(24),
               "How often retention is applied",
               [](daemon_config& of) -> auto& { return of.server.shard.retention_interval; }),
      number("partitions_max", 1, 10'000'000, "Partitions of all topics together",
             [](daemon_config& of) -> auto& { return of.server.shard.partitions_max; }),
  };
}

std::vector<setting> limits() {
  using std::chrono::milliseconds;
  constexpr auto day = std::chrono::hours(24);
  return {
      bytes("memory_bytes_max", 16 * mib, 1024 * gib,
            "Budget for what is in flight; publishers wait beyond it",
            [](daemon_config& of) -> auto& { return of.server.memory_bytes_max; }),
      number("connections_max", 1, 1'000'000, "Connections at the same time",
             [](daemon_config& of) -> auto& { return of.server.connections_max; }),
      bytes("frame_bytes_max", 2 * mib, gib, "The largest frame accepted",
            [](daemon_config& of) -> auto& { return of.server.session.frames.frame_bytes_max; }),
      bytes("publish_window_bytes", 64 * kib, gib, "Unacknowledged publishes of one connection",
            [](daemon_config& of) -> auto& { return of.server.session.publish_window_bytes; }),
      bytes("output_bytes_max", 64 * kib, gib, "Deliveries queued for one connection",
            [](daemon_config& of) -> auto& { return of.server.session.output_bytes_max; }),
      number("requests_in_flight_max", 1, 1'000'000, "Unanswered requests of one connection",
             [](daemon_config& of) -> auto& { return of.server.session.requests_in_flight_max; }),
      number("subscriptions_max", 1, 1'000'000, "Subscriptions of one connection",
             [](daemon_config& of) -> auto& { return of.server.session.subscriptions_max; }),
      duration("hello_timeout", milliseconds(10), day, "Until a new connection has said Hello",
               [](daemon_config& of) -> auto& { return of.server.session.hello_timeout; }),
      duration("idle_timeout", milliseconds(100), day, "A connection silent for longer is closed",
               [](daemon_config& of) -> auto& { return of.server.session.idle_timeout; }),
      duration("frame_timeout", milliseconds(100), day, "From the first to the last byte of a frame",
               [](daemon_config& of) -> auto& { return of.server.session.frame_timeout; }),
      duration("write_timeout", milliseconds(100), day, "A client that takes nothing for longer is cut off",
               [](daemon_config& of) -> auto& { return of.server.session.write_timeout; }),
  };
}

}  // namespace

std::span<const setting> all_settings() {
  static const std::vector<setting> all = [] {
    std::vector<setting> list = where_and_who();
    for (auto more : {storage(), limits()}) std::move(more.begin(), more.end(), std::back_inserter(list));
    return list;
  }();
  return all;
}

}  // namespace skald::server
