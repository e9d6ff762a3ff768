// Patterns over topic names, as subscriptions use them.
//
// A name is tokens separated by dots. In a pattern, `*` stands for any one token and `>`, at the end, for one
// or more: `orders.*` matches orders.eu but not orders.eu.paid, which `orders.>` matches too. A wildcard is a
// whole token. At the front, neither matches a name that begins with "__", which is the broker's own.
#pragma once

#include <string>
#include <string_view>

#include <skald/protocol/result.hpp>

namespace skald::protocol {

// Whether it can be a pattern at all: topic names have no wildcards.
bool is_pattern(std::string_view text);

class topic_pattern {
 public:
  // A pattern, or a plain name, which matches itself. Otherwise invalid_topic_name, with a message that says
  // which rule was broken.
  static result<topic_pattern> parse(std::string_view text);

  bool matches(std::string_view name) const;
  const std::string& text() const { return text_; }

 private:
  explicit topic_pattern(std::string_view text) : text_(text) {}
  std::string text_;
};

}  // namespace skald::protocol
