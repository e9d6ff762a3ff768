#include <doctest/doctest.h>

#include <set>
#include <string>

#include <skald/protocol/error.hpp>
#include <skald/protocol/result.hpp>

namespace skald {
namespace {

constexpr std::uint16_t known_codes[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                         17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 40, 41, 42, 43,
                                         44, 45, 46, 50, 51, 52, 53, 54, 55, 56, 60, 61, 62, 63, 64, 65};

TEST_CASE("every error code has a spelling and a text of its own") {
  std::set<std::string> names, texts;
  for (const std::uint16_t code : known_codes) {
    names.emplace(to_string(static_cast<errc>(code)));
    texts.insert(make_error_code(static_cast<errc>(code)).message());
  }
  CHECK(names.size() == std::size(known_codes));
  CHECK(texts.size() == std::size(known_codes));
  CHECK(names.count("unknown_error") == 0);
}

TEST_CASE("a code from a newer version reads as unknown") {
  CHECK(to_string(static_cast<errc>(999)) == "unknown_error");
  CHECK_FALSE(make_error_code(static_cast<errc>(999)).message().empty());
}

TEST_CASE("codes compare with std::error_code in the category skald") {
  const std::error_code code = errc::unknown_topic;
  CHECK(code == errc::unknown_topic);
  CHECK(code != errc::topic_exists);
  CHECK(std::string(code.category().name()) == "skald");
  CHECK_FALSE(std::error_code(errc::ok));
}

TEST_CASE("an error says its message alone") {
  const error failed(errc::topic_exists, "topic 'orders' exists; choose another name");
  CHECK(std::string(failed.what()) == "topic 'orders' exists; choose another name");
  CHECK(failed.message() == failed.what());
  CHECK(failed.code() == errc::topic_exists);
}

TEST_CASE("value() of a failed result throws the failure as an error") {
  const result<int> outcome = failure{errc::storage_full, "no room"};
  CHECK_THROWS_WITH_AS(outcome.value(), "no room", error);
}

}  // namespace
}  // namespace skald
