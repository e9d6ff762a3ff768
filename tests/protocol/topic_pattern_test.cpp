#include <doctest/doctest.h>

#include <skald/protocol/topic_pattern.hpp>
#include <string>

namespace skald::protocol {

namespace {
bool matches(std::string_view pattern, std::string_view name) {
  return topic_pattern::parse(pattern).value().matches(name);
}
errc refusal(std::string_view pattern) {
  const auto parsed = topic_pattern::parse(pattern);
  return parsed ? errc::ok : parsed.error().code;
}
}  // namespace

TEST_CASE("a star stands for one token, wherever it is") {
  CHECK(matches("orders.*", "orders.eu"));
  CHECK_FALSE(matches("orders.*", "orders"));
  CHECK_FALSE(matches("orders.*", "orders.eu.paid"));
  CHECK(matches("*.paid", "orders.paid"));
  CHECK(matches("orders.*.paid", "orders.eu.paid"));
  CHECK_FALSE(matches("orders.*.paid", "orders.paid"));
  CHECK(matches("*", "orders"));
  CHECK_FALSE(matches("*", "orders.eu"));
}

TEST_CASE("a greater-than stands for all that is left, and for something at least") {
  CHECK(matches("orders.>", "orders.eu"));
  CHECK(matches("orders.>", "orders.eu.paid"));
  CHECK_FALSE(matches("orders.>", "orders"));
  CHECK_FALSE(matches("orders.>", "payments.eu"));
  CHECK(matches(">", "orders"));
  CHECK(matches("*.>", "orders.eu.paid"));
}

TEST_CASE("a plain name matches itself only") {
  CHECK_FALSE(is_pattern("orders"));
  CHECK(is_pattern("orders.*"));
  CHECK(matches("orders", "orders"));
  CHECK_FALSE(matches("orders", "orders.eu"));
}

TEST_CASE("what is the broker's own is not matched by accident") {
  CHECK_FALSE(matches(">", "__internal"));
  CHECK_FALSE(matches("*", "__internal"));
}

TEST_CASE("wildcards are whole tokens, and the rest is what names may be") {
  CHECK(refusal("orders.*") == errc::ok);
  CHECK(refusal("ord*") == errc::invalid_topic_name);
  CHECK(refusal("orders.>.eu") == errc::invalid_topic_name);
  CHECK(refusal("orders.**") == errc::invalid_topic_name);
  CHECK(refusal("orders .*") == errc::invalid_topic_name);
  CHECK(refusal("") == errc::invalid_topic_name);
  CHECK(refusal(std::string(250, '*')) == errc::invalid_topic_name);
}

}  // namespace skald::protocol
