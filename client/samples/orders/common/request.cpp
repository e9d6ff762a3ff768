#include "client/samples/orders/common/request.hpp"

#include <algorithm>
#include <cstdio>
#include <random>

namespace shop {

namespace json = boost::json;

namespace {

constexpr std::size_t text_bytes_max = 60;
constexpr std::int64_t amount_max = 1'000'000'000'000;

std::string quoted(std::string_view field) {
  return "'" + std::string(field) + "'";
}

}  // namespace

void refuse(int code, const std::string& why) {
  throw skald::responder_error(code, why, {});
}

request::request(std::string_view body) {
  if (body.empty()) return;
  boost::system::error_code failed;
  json::value parsed = json::parse({body.data(), body.size()}, failed);
  if (failed) refuse(bad_request, "the request is not JSON: " + failed.message());
  if (!parsed.is_object()) refuse(bad_request, "the request is not a JSON object");
  fields_ = std::move(parsed.get_object());
}

const json::value& request::need(std::string_view field) const {
  const json::value* found = fields_.if_contains({field.data(), field.size()});
  if (found == nullptr) refuse(bad_request, quoted(field) + " is missing");
  return *found;
}

std::string request::text(std::string_view field) const {
  const json::string* found = need(field).if_string();
  if (found == nullptr) refuse(bad_request, quoted(field) + " is not a string");
  const auto is_odd = [](char c) { return c == '/' || static_cast<unsigned char>(c) < ' '; };
  if (found->empty() || found->size() > text_bytes_max || std::ranges::any_of(*found, is_odd))
    refuse(bad_request, quoted(field) + " has to have 1 to 60 bytes, and no '/' or control character");
  return {found->data(), found->size()};
}

std::optional<std::string> request::optional_text(std::string_view field) const {
  if (!fields_.contains({field.data(), field.size()})) return std::nullopt;
  return text(field);
}

std::int64_t request::amount(std::string_view field) const {
  const json::value& found = need(field);
  const std::int64_t* const number = found.if_int64();
  if (number == nullptr || *number < 1 || *number > amount_max)
    refuse(bad_request, quoted(field) + " has to be a whole number from 1 to 10^12");
  return *number;
}

std::string new_id() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

}  // namespace shop
