// The templates of `skald sub --format`, such as '%t %k: %v'.
//
//   %N topic  %k key  %v value  %h headers as k=v,k=v  %p partition  %o offset  %t time (RFC 3339)
//   %T time (milliseconds since the Unix epoch)  %n newline  %% percent sign
//   \n \t \r \0 \\  \xHH any byte  \c nothing (see below)
//
// A newline follows each record, unless the template ends in %n, \n, \0, \xHH or \c.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <skald/protocol/result.hpp>

#include "tools/cli/record.hpp"

namespace skald::cli {

class message_template {
 public:
  // Fails with invalid_request, naming the position (from 1) of an escape that is unknown or cut off.
  static result<message_template> parse(std::string_view text);

  // Absent keys and values are written as nothing.
  void append(std::string& out, std::string_view topic, const output_record& record) const;

 private:
  enum class field { literal, topic, key, value, headers, partition, offset, time, time_ms };
  struct piece {
    field kind;
    std::string literal;
  };

  void add_literal(char c);

  std::vector<piece> pieces_;
};

}  // namespace skald::cli
