#include "client/src/address.hpp"

#include <doctest/doctest.h>

using namespace skald;
using detail::endpoint;
using detail::parse_addresses;

TEST_SUITE("address") {
  TEST_CASE("host and port, or the default port") {
    CHECK(parse_addresses("db1:9000").value() == std::vector<endpoint>{{"db1", "9000"}});
    CHECK(parse_addresses("db1").value() == std::vector<endpoint>{{"db1", "7411"}});
  }

  TEST_CASE("several, with spaces around them") {
    CHECK(parse_addresses(" db1:1 , db2").value() == std::vector<endpoint>{{"db1", "1"}, {"db2", "7411"}});
  }

  TEST_CASE("IPv6 in brackets, and written so again") {
    const auto parsed = parse_addresses("[::1]:7000,[fe80::2]").value();
    CHECK(parsed == std::vector<endpoint>{{"::1", "7000"}, {"fe80::2", "7411"}});
    CHECK(parsed[0].text() == "[::1]:7000");
  }

  TEST_CASE("what is no address is named") {
    for (const char* bad :
         {"", ":7411", "db1:", "db1:0", "db1:65536", "db1:http", "a,,b", "[::1", "[::1]7411", "a:1:2"}) {
      CAPTURE(bad);
      const auto parsed = parse_addresses(bad);
      REQUIRE(!parsed);
      CHECK(parsed.error().code == errc::invalid_request);
      CHECK(parsed.error().message.find("host:port") != std::string::npos);
    }
  }
}
