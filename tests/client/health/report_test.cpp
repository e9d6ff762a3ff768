#include <doctest/doctest.h>

#include <skald/health/report.hpp>
#include <skald/protocol/error.hpp>

namespace skald::health::test {

namespace {

report full() {
  return {.service = "customers",
          .instance = "eu/1",
          .every = milliseconds(5'000),
          .outboxes = {{.name = "a"},
                       {.name = "b",
                        .unsent = 3,
                        .parked = 1,
                        .oldest = timestamp(milliseconds(1'764'421'200'000)),
                        .why = "no \"topic\""}},
          .breakers = {{.name = "price",
                        .state = "open",
                        .since = timestamp(milliseconds(1'764'421'260'000)),
                        .failure_rate = 75.0,
                        .refused = 12},
                       {.name = "stock", .state = "closed", .since = {}}}};
}

}  // namespace

TEST_CASE("a report is read as it was written") {
  const report is = full();
  const std::string key = key_of(is.service, is.instance);
  CHECK(key == "customers/eu/1");
  const report again = decode(key, encode(is));
  CHECK(again.service == "customers");
  CHECK(again.instance == "eu/1");
  REQUIRE(again.outboxes.size() == 2);
  CHECK_FALSE(again.outboxes[0].oldest);
  CHECK(again.outboxes[1].oldest == is.outboxes[1].oldest);
  CHECK(again.outboxes[1].why == "no \"topic\"");
  REQUIRE(again.breakers.size() == 2);
  CHECK(again.breakers[0].since == is.breakers[0].since);
  CHECK(again.breakers[0].failure_rate == 75.0);
  CHECK_FALSE(again.breakers[1].failure_rate);
  CHECK(encode(again) == encode(is));
}

TEST_CASE("what is no report says so, wherever it is cut") {
  const std::string good = encode(full());
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    CHECK_THROWS_AS(decode("customers/1", good.substr(0, cut)), error);
  CHECK_THROWS_AS(decode("customers", good), error);
}

}  // namespace skald::health::test
