#include "tools/cli/quantity.hpp"

#include <doctest/doctest.h>

namespace skald::cli {
namespace {

using namespace std::chrono_literals;

TEST_CASE("sizes are whole numbers with units of 1000 or 1024") {
  CHECK(*parse_size("0") == 0);
  CHECK(*parse_size("512") == 512);
  CHECK(*parse_size("512B") == 512);
  CHECK(*parse_size("1kB") == 1000);
  CHECK(*parse_size("1KiB") == 1024);
  CHECK(*parse_size("1k") == 1024);
  CHECK(*parse_size("3MB") == 3'000'000);
  CHECK(*parse_size("3 MiB") == 3u << 20);
  CHECK(*parse_size("10g") == 10ull << 30);
  CHECK(*parse_size("2TiB") == 2ull << 40);
  CHECK(*parse_size("9223372036854775807") == 9223372036854775807u);
}

TEST_CASE("what is no size is refused with the reason") {
  const auto why = [](std::string_view text) {
    const auto parsed = parse_size(text);
    REQUIRE(!parsed);
    CHECK(parsed.error().code == errc::invalid_request);
    return parsed.error().message;
  };
  CHECK(why("") == "size '' is not a number; write a whole number with a unit, such as 512KiB or 1GiB");
  CHECK(why("-1").find("is not a number") != std::string::npos);
  CHECK(why(" 1").find("is not a number") != std::string::npos);
  CHECK(why("KiB").find("is not a number") != std::string::npos);
  CHECK(why("1.5GiB").find("unknown unit '.5GiB'") != std::string::npos);
  CHECK(why("1 XB").find("unknown unit 'XB'") != std::string::npos);
  CHECK(why("9223372036854775808").find("too large") != std::string::npos);
  CHECK(why("99999999999999999999999").find("too large") != std::string::npos);
  CHECK(why("8388608TiB").find("too large") != std::string::npos);
}

TEST_CASE("durations go from larger to smaller units") {
  CHECK(*parse_duration("0") == 0ms);
  CHECK(*parse_duration("250ms") == 250ms);
  CHECK(*parse_duration("10s") == 10s);
  CHECK(*parse_duration("1m") == 1min);
  CHECK(*parse_duration("1h30m") == 90min);
  CHECK(*parse_duration("1w2d3h4m5s6ms") == 216h + 3h + 4min + 5s + 6ms);
}

TEST_CASE("what is no duration is refused with the reason") {
  const auto why = [](std::string_view text) {
    const auto parsed = parse_duration(text);
    REQUIRE(!parsed);
    CHECK(parsed.error().code == errc::invalid_request);
    return parsed.error().message;
  };
  CHECK(why("").find("is empty") != std::string::npos);
  CHECK(why("7").find("lacks a unit") != std::string::npos);
  CHECK(why("-7d").find("not a number") != std::string::npos);
  CHECK(why("d").find("not a number") != std::string::npos);
  CHECK(why("7y").find("unknown unit 'y'") != std::string::npos);
  CHECK(why("1m1h").find("larger to smaller") != std::string::npos);
  CHECK(why("1h1h").find("larger to smaller") != std::string::npos);
  CHECK(why("1.5h").find("lacks a unit") != std::string::npos);
  CHECK(why("9223372036854775807w").find("too large") != std::string::npos);
}

TEST_CASE("sizes, durations and counts are written for people") {
  CHECK(format_size(0) == "0 B");
  CHECK(format_size(1023) == "1023 B");
  CHECK(format_size(1024) == "1 KiB");
  CHECK(format_size(1536) == "1.5 KiB");
  CHECK(format_size((1u << 20) - 1) == "1023.9 KiB");
  CHECK(format_size(10ull << 30) == "10 GiB");
  CHECK(format_size(~0ull) == "15.9 EiB");
  CHECK(format_duration(0ms) == "0s");
  CHECK(format_duration(168h) == "7d");
  CHECK(format_duration(90min) == "1h30m");
  CHECK(format_duration(1'001ms) == "1s1ms");
  CHECK(format_duration(-5s) == "-5s");
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(1234567) == "1,234,567");
}

TEST_CASE("ages are as exact as people want them") {
  CHECK(format_age(0ms) == "0s");
  CHECK(format_age(-5s) == "0s");
  CHECK(format_age(93ms) == "93ms");
  CHECK(format_age(2'093ms) == "2.1s");
  CHECK(format_age(2'012ms) == "2s");
  CHECK(format_age(9'949ms) == "9.9s");
  CHECK(format_age(9'960ms) == "10s");
  CHECK(format_age(45'400ms) == "45s");
  CHECK(format_age(90'499ms) == "1m30s");
  CHECK(format_age(1h + 29min + 40s) == "1h30m");
  CHECK(format_age(76h + 20min) == "3d4h");
}

}  // namespace
}  // namespace skald::cli
