#include "tools/cli/text_encoding.hpp"

#include <doctest/doctest.h>

#include <random>

namespace skald::cli {
namespace {

using namespace std::string_view_literals;

std::string base64(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string json_string(std::string_view bytes) {
  std::string out;
  append_json_string(out, bytes);
  return out;
}

TEST_CASE("well-formed UTF-8 is told from what only looks like it") {
  for (const std::string_view good :
       {""sv, "plain ASCII, more than eight bytes"sv, "\xc3\xa9"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x98\x80"sv,
        "\xed\x9f\xbf"sv, "\xee\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv, "\x00\x7f"sv, "12345678\xc3\xa9"sv}) {
    CAPTURE(base64(good));
    CHECK(is_utf8(good));
  }
  for (const std::string_view bad :
       {"\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc3"sv, "\xc3("sv, "\xe0\x9f\xbf"sv, "\xe2\x82"sv,
        "\xed\xa0\x80"sv, "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv,
        "12345678\xff"sv, "1234567\xc3"sv}) {
    CAPTURE(base64(bad));
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("base64 has the test vectors of RFC 4648") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64("fooba") == "Zm9vYmE=");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("base64 of random bytes comes back") {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 300; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    std::string decoded = "left from before";
    CHECK(decode_base64(base64(bytes), decoded));
    CHECK(decoded == bytes);
  }
}

TEST_CASE("anything but canonical base64 is refused") {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm 9v",
                           "Zm9-", "Zg==Zg==", "=Zg=", "Zm9v=AAA"}) {
    CAPTURE(text);
    std::string decoded;
    CHECK_FALSE(decode_base64(text, decoded));
  }
}

TEST_CASE("JSON strings escape what they have to") {
  CHECK(json_string("") == R"("")");
  CHECK(json_string("a\"b\\c/d") == R"("a\"b\\c/d")");
  CHECK(json_string("\n\r\t\0\x1f"sv) == R"("\n\r\t\u0000\u001f")");
  CHECK(json_string("\xc3\xa9") == "\"\xc3\xa9\"");
}

TEST_CASE("error messages show no unprintable bytes and stay short") {
  CHECK(printable("plain") == "plain");
  CHECK(printable("a\x1b[31m\xff") == "a\\x1b[31m\\xff");
  CHECK(printable(std::string(100, 'a')) == std::string(40, 'a') + "...");
}

}  // namespace
}  // namespace skald::cli
