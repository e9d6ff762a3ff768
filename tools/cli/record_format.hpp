// How `skald sub` writes a record.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "tools/cli/message_template.hpp"
#include "tools/cli/record.hpp"

namespace skald::cli {

class record_format {
 public:
  // text: the value and a newline. raw: the value's bytes and nothing else. json: one object a line, which
  // `skald pub --input json` publishes again exactly. Anything else is a message_template and has to contain
  // a % or a backslash, so that a misspelt name is not taken for one.
  static result<record_format> parse(std::string_view text);

  // Appends the record to `out`. `topic` is where it is from.
  void append(std::string& out, std::string_view topic, const output_record& record) const;

 private:
  struct text {};
  struct raw {};
  struct json {};
  using kind = std::variant<text, raw, json, message_template>;
  explicit record_format(kind chosen) : chosen_(std::move(chosen)) {}

  kind chosen_;
};

}  // namespace skald::cli
