#include <algorithm>
#include <skald/protocol/topic_name.hpp>
#include <string>

namespace skald::protocol {
namespace {

bool is_printable(char c) {
  return c > ' ' && c <= '~';
}

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

failure refuse(std::string message) {
  return {errc::invalid_topic_name, std::move(message)};
}

result<> check_plain_name(std::string_view name, const char* whose) {
  if (name.empty() || name.size() > topic_name_bytes_max || !std::ranges::all_of(name, is_allowed))
    return failure{errc::invalid_request,
                   "the name of " + std::string(whose) + " has 1 to 249 characters of A-Z a-z 0-9 . _ and -"};
  return {};
}

}  // namespace

result<> check_group_name(std::string_view name) {
  return check_plain_name(name, "a group, or of a member,");
}

result<> check_producer_name(std::string_view name) {
  return check_plain_name(name, "a producer");
}

result<> check_topic_name(std::string_view name) {
  if (name.empty()) return refuse("a topic name cannot be empty");
  if (name.size() > topic_name_bytes_max)
    return refuse("a topic name has at most 249 characters; this one has " + std::to_string(name.size()));
  const auto bad = std::find_if_not(name.begin(), name.end(), is_allowed);
  if (bad != name.end()) {
    const std::string at = std::to_string(bad - name.begin() + 1);
    const std::string which =
        is_printable(*bad) ? "'" + std::string(1, *bad) + "'" : std::string("a space or unprintable byte");
    return refuse("a topic name consists of A-Z a-z 0-9 . _ and -; character " + at + " is " + which);
  }
  if (name == "." || name == "..") return refuse("a topic cannot be called '.' or '..'");
  if (name.starts_with("__"))
    return refuse("topic names that begin with '__' are the broker's own: '" + std::string(name) + "'");
  return {};
}

}  // namespace skald::protocol
