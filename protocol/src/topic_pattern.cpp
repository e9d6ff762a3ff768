#include <algorithm>
#include <optional>
#include <skald/protocol/topic_name.hpp>
#include <skald/protocol/topic_pattern.hpp>

namespace skald::protocol {
namespace {

// Takes the first token off `rest`, which becomes nothing after the last.
std::string_view take_token(std::optional<std::string_view>& rest) {
  const std::size_t dot = rest->find('.');
  const std::string_view token = rest->substr(0, dot);
  rest = dot == std::string_view::npos ? std::nullopt : std::optional(rest->substr(dot + 1));
  return token;
}

}  // namespace

bool is_pattern(std::string_view text) {
  return text.find_first_of("*>") != std::string_view::npos;
}

result<topic_pattern> topic_pattern::parse(std::string_view text) {
  // Without its wildcards it has to be what a name may be.
  std::string plain(text);
  std::ranges::replace_if(plain, [](char c) { return c == '*' || c == '>'; }, 'x');
  if (const result<> name = check_topic_name(plain); !name) return name.error();
  for (std::optional<std::string_view> rest = text; rest;) {
    const std::string_view token = take_token(rest);
    if (!is_pattern(token)) continue;
    if (token.size() > 1)
      return failure{errc::invalid_topic_name,
                     "in a pattern, * and > stand for whole tokens between dots; '" + std::string(token) +
                         "' is neither"};
    if (token == ">" && rest)
      return failure{errc::invalid_topic_name, "in a pattern, > can only be the last token"};
  }
  return topic_pattern(text);
}

bool topic_pattern::matches(std::string_view name) const {
  if (name.starts_with("__") && is_pattern(text_.substr(0, 1))) return false;
  std::optional<std::string_view> wanted = text_;
  std::optional<std::string_view> rest = name;
  while (wanted && rest) {
    const std::string_view token = take_token(wanted);
    if (token == ">") return true;
    const std::string_view is = take_token(rest);
    if (token != "*" && token != is) return false;
  }
  return !wanted && !rest;
}

}  // namespace skald::protocol
