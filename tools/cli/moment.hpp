// Points in time as people write them, and where a subscription may begin.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <skald/protocol/result.hpp>
#include <skald/protocol/types.hpp>

namespace skald::cli {

// An RFC 3339 date and time with a zone, such as 2026-11-22T21:54:02Z or 2026-11-22 22:54:02.250+01:00, or
// "@" and milliseconds since the Unix epoch. Digits beyond milliseconds are cut off. The times of records go
// from 1970-01-01 to 9999-12-31; others fail, as everything malformed does, with invalid_request.
result<timestamp> parse_timestamp(std::string_view text);

// Appends RFC 3339 in UTC with milliseconds: 2026-11-22T21:54:02.000Z, always 24 characters.
void append_timestamp(std::string& out, timestamp at);

struct from_earliest {
  friend bool operator==(from_earliest, from_earliest) = default;
};
struct from_latest {
  friend bool operator==(from_latest, from_latest) = default;
};
using start_position = std::variant<from_earliest, from_latest, offset, timestamp>;

// earliest, latest, an offset, a timestamp as above, or a duration before `now`, such as -1h.
result<start_position> parse_start(std::string_view text, timestamp now);

}  // namespace skald::cli
