#include "client/src/address.hpp"

#include <charconv>
#include <cstdint>

namespace skald::detail {

namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

failure bad_address(std::string_view text) {
  return {errc::invalid_request,
          "\"" + std::string(text) +
              "\" is no broker address; write host:port or host, with an IPv6 address in "
              "brackets as in [::1]:7411"};
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  return code == std::errc() && end == text.data() + text.size() && port != 0;
}

result<endpoint> parse_one(std::string_view text) {
  std::string_view host = text;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == text.npos) return bad_address(text);
    host = text.substr(1, bracket - 1);
    rest = text.substr(bracket + 1);
  } else if (const auto colon = text.find(':'); colon != text.npos) {
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (host.empty()) return bad_address(text);
  if (rest.empty()) return endpoint{std::string(host), std::string(default_port)};
  if (!rest.starts_with(':') || !is_port(rest.substr(1))) return bad_address(text);
  return endpoint{std::string(host), std::string(rest.substr(1))};
}

}  // namespace

std::string endpoint::text() const {
  return host.find(':') == host.npos ? host + ":" + port : "[" + host + "]:" + port;
}

result<std::vector<endpoint>> parse_addresses(std::string_view list) {
  std::vector<endpoint> endpoints;
  for (std::size_t at = 0; at <= list.size();) {
    const auto comma = std::min(list.find(',', at), list.size());
    auto one = parse_one(trimmed(list.substr(at, comma - at)));
    if (!one) return one.error();
    endpoints.push_back(*std::move(one));
    at = comma + 1;
  }
  return endpoints;
}

}  // namespace skald::detail
