// A request to a service: a JSON object. What is wrong with it becomes the error reply.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <skald/service.hpp>
#include <string>
#include <string_view>

namespace shop {

// Codes of error replies.
inline constexpr int bad_request = 400;
inline constexpr int not_found = 404;
inline constexpr int conflict = 409;

[[noreturn]] void refuse(int code, const std::string& why);

class request {
 public:
  // Throws bad_request, as all of this does. An empty body is an empty object.
  explicit request(std::string_view body);

  // A string of 1 to 60 bytes, without '/' or control characters.
  std::string text(std::string_view field) const;
  std::optional<std::string> optional_text(std::string_view field) const;
  // Money: from 1 to 10^12.
  std::int64_t amount(std::string_view field) const;

 private:
  const boost::json::value& need(std::string_view field) const;
  boost::json::object fields_;
};

// An id for what came without one.
std::string new_id();

}  // namespace shop
