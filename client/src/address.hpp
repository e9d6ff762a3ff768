// "host:port,host,[::1]:7411" taken apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <skald/protocol/result.hpp>

namespace skald::detail {

struct endpoint {
  std::string host;
  std::string port;
  std::string text() const;
  friend bool operator==(const endpoint&, const endpoint&) = default;
};

inline constexpr std::string_view default_port = "7411";

// At least one endpoint, or invalid_request.
result<std::vector<endpoint>> parse_addresses(std::string_view list);

}  // namespace skald::detail
