#include "tools/cli/moment.hpp"

#include <doctest/doctest.h>

namespace skald::cli {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

constexpr timestamp evening = sys_days(2026y / November / 22) + 21h + 54min + 2s;

std::string text_of(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

TEST_CASE("RFC 3339 timestamps are read in any zone") {
  CHECK(*parse_timestamp("2026-11-22T21:54:02Z") == evening);
  CHECK(*parse_timestamp("2026-11-22t21:54:02z") == evening);
  CHECK(*parse_timestamp("2026-11-22 22:54:02+01:00") == evening);
  CHECK(*parse_timestamp("2026-11-22T16:24:02-05:30") == evening);
  CHECK(*parse_timestamp("2026-11-22T21:54:02.5Z") == evening + 500ms);
  CHECK(*parse_timestamp("2026-11-22T21:54:02.123999Z") == evening + 123ms);
  CHECK(*parse_timestamp("2024-02-29T00:00:00Z") == sys_days(2024y / February / 29));
  CHECK(*parse_timestamp("2016-12-31T23:59:60Z") == sys_days(2017y / January / 1));
  CHECK(*parse_timestamp("@1700000000123") == timestamp(1700000000123ms));
  CHECK(*parse_timestamp("1970-01-01T00:00:00Z") == timestamp{});
}

TEST_CASE("what is no timestamp is refused") {
  for (const char* text : {"",
                           "yesterday",
                           "2026-11-22",
                           "2026-11-22T21:54:02",
                           "2026-11-22T21:54Z",
                           "2026-13-01T00:00:00Z",
                           "2026-02-29T00:00:00Z",
                           "2026-11-22T24:00:00Z",
                           "2026-11-22T21:60:00Z",
                           "2026-11-22T21:54:61Z",
                           "2026-11-22T21:54:02.Z",
                           "2026-11-22T21:54:02+0100",
                           "2026-11-22T21:54:02+24:00",
                           "2026-11-22T21:54:02Zx",
                           " 2026-11-22T21:54:02Z",
                           "+026-11-22T21:54:02Z",
                           "@",
                           "@-1",
                           "@1.5",
                           "@12x",
                           "1969-12-31T23:59:59Z",
                           "9999-12-31T23:59:59-01:00",
                           "@253402300800000",
                           "@18446744073709551615"}) {
    CAPTURE(text);
    const auto parsed = parse_timestamp(text);
    REQUIRE(!parsed);
    CHECK(parsed.error().code == errc::invalid_request);
    CHECK(parsed.error().message.find(text) != std::string::npos);
  }
}

TEST_CASE("timestamps are written as they are read") {
  CHECK(text_of(evening + 7ms) == "2026-11-22T21:54:02.007Z");
  CHECK(text_of(timestamp{}) == "1970-01-01T00:00:00.000Z");
  for (const timestamp at : {evening + 999ms, timestamp{}, timestamp(253'402'300'799'999ms)}) {
    CHECK(*parse_timestamp(text_of(at)) == at);
  }
}

TEST_CASE("a subscription starts at a word, an offset, a time, or so long ago") {
  CHECK(*parse_start("earliest", evening) == start_position(from_earliest{}));
  CHECK(*parse_start("latest", evening) == start_position(from_latest{}));
  CHECK(*parse_start("0", evening) == start_position(offset(0)));
  CHECK(*parse_start("18446744073709551615", evening) == start_position(offset(~0ull)));
  CHECK(*parse_start("@5", evening) == start_position(timestamp(5ms)));
  CHECK(*parse_start("2026-11-22T21:54:02Z", timestamp{}) == start_position(evening));
  CHECK(*parse_start("-1h", evening) == start_position(evening - 1h));
  CHECK(*parse_start("-1000000w", evening) == start_position(timestamp{}));
}

TEST_CASE("what is no place to start from is refused with what is") {
  for (const char* text :
       {"", "newest", "-", "-1", "1h", "--1h", "18446744073709551616", "1.5", "2026-11-22"}) {
    CAPTURE(text);
    const auto parsed = parse_start(text, evening);
    REQUIRE(!parsed);
    CHECK(parsed.error().code == errc::invalid_request);
  }
  CHECK(parse_start("newest", evening).error().message.find("earliest, latest, an offset") !=
        std::string::npos);
}

}  // namespace
}  // namespace skald::cli
