#include "client/src/stamp.hpp"

#include <doctest/doctest.h>

#include <skald/protocol/batch_builder.hpp>

using namespace skald;

TEST_CASE("a restamped batch is what the builder would have made") {
  const auto build = [](std::optional<protocol::producer_stamp> as) {
    protocol::batch_builder builder;
    REQUIRE(builder.append("key", "value", {}, timestamp(std::chrono::milliseconds(1'000))) == errc::ok);
    REQUIRE(builder.append(std::nullopt, std::nullopt, {}, timestamp(std::chrono::milliseconds(1'001))) ==
            errc::ok);
    return builder.finish({.producer = as});
  };
  const protocol::producer_stamp stamp{producer_id(0x0102030405060708), producer_epoch(7), 0x01020304};
  auto batch = build({});
  detail::stamp(batch, stamp);
  CHECK(batch == build(stamp));
  CHECK(protocol::batch_view::parse(batch)->crc_matches());
}
