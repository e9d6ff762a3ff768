#include <doctest/doctest.h>

#include <string>

#include <skald/protocol/topic_name.hpp>

namespace skald::protocol {
namespace {

std::string complaint(std::string_view name) {
  const auto checked = check_topic_name(name);
  if (checked) return "";
  CHECK(checked.error().code == errc::invalid_topic_name);
  return checked.error().message;
}

TEST_CASE("ordinary topic names are accepted") {
  for (const char* name : {"a", "orders", "Order-Events_2.eu", "...", "_", "_x", "-", "0"})
    CHECK_MESSAGE(check_topic_name(name).has_value(), name);
  CHECK(check_topic_name(std::string(249, 'x')));
}

TEST_CASE("a topic name has a length from 1 to 249") {
  CHECK(complaint("") == "a topic name cannot be empty");
  CHECK(complaint(std::string(250, 'x')) == "a topic name has at most 249 characters; this one has 250");
}

TEST_CASE("a refused topic name is told which character is wrong") {
  CHECK(complaint("a/b") == "a topic name consists of A-Z a-z 0-9 . _ and -; character 2 is '/'");
  const std::string unprintable =
      "a topic name consists of A-Z a-z 0-9 . _ and -; character 3 is a space or "
      "unprintable byte";
  CHECK(complaint("ab c") == unprintable);
  CHECK(complaint(std::string_view("ab\0", 3)) == unprintable);
  CHECK(complaint("ab\x1b[2J") == unprintable);
  CHECK(complaint("ab\xc3\xa9") == unprintable);
}

TEST_CASE("dots alone and the broker's own names are refused") {
  CHECK(complaint(".") == "a topic cannot be called '.' or '..'");
  CHECK(complaint("..") == "a topic cannot be called '.' or '..'");
  CHECK(complaint("__timers") == "topic names that begin with '__' are the broker's own: '__timers'");
}

TEST_CASE("a producer's name has the characters of a topic's, and may be any of them") {
  for (const char* name : {"a", "..", "__x", "Order-Events_2.eu"})
    CHECK_MESSAGE(check_producer_name(name).has_value(), name);
  CHECK(check_producer_name(std::string(249, 'x')));
  for (const std::string& name :
       {std::string(), std::string(250, 'x'), std::string("a b"), std::string("a/b")})
    CHECK(check_producer_name(name).error().code == errc::invalid_request);
}

}  // namespace
}  // namespace skald::protocol
