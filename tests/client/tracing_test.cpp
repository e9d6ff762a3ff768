#include <doctest/doctest.h>

#include <array>
#include <skald/protocol/batch_builder.hpp>
#include <skald/tracing.hpp>

#include "client/src/received.hpp"

using namespace skald;
using detail::received_batches;

namespace {

// The record at orders/3/7, with these headers.
record received_with(const std::vector<header>& headers) {
  protocol::batch_builder builder;
  REQUIRE(builder.append("key", "value", headers, timestamp(milliseconds(1'000))) == errc::ok);
  auto bytes = std::make_shared<std::vector<std::byte>>(builder.finish());
  protocol::patch_base_offset(*bytes, offset(7), 0);
  auto received =
      received_batches::create({std::make_shared<const std::string>("orders"), partition_id(3), offset(7),
                                offset(100), offset(0), std::nullopt, std::vector<offset>{}, std::nullopt},
                               *bytes, bytes, std::make_shared<detail::decoder_pool>());
  REQUIRE(received);
  REQUIRE((*received)->verify());
  record result;
  for (const record& one : records(*received)) result = one;
  return result;
}

}  // namespace

TEST_CASE("a record without an id is known by its place, and begins something") {
  const record plain = received_with({});
  CHECK(tracing::message_id_of(plain) == "orders/3/7");
  CHECK(tracing::caused_by(plain) == tracing::lineage{"orders/3/7", "orders/3/7"});
}

TEST_CASE("what a record belongs to goes on, and its id is the cause of what follows") {
  const record second = received_with(
      {{"message-id", "b"}, {"correlation-id", "order-42"}, {"causation-id", "a"}, {"message-id", "c"}});
  CHECK(tracing::message_id_of(second) == "b");
  CHECK(tracing::caused_by(second) == tracing::lineage{"order-42", "b"});
}

TEST_CASE("an empty id is none") {
  const record odd = received_with({{"message-id", ""}, {"correlation-id", std::nullopt}});
  CHECK(tracing::caused_by(odd) == tracing::lineage{"orders/3/7", "orders/3/7"});
}

TEST_CASE("headers that say otherwise stay as they are") {
  const tracing::lineage of{"order-42", "a"};
  std::vector<header> headers{{"kind", "x"}, {"correlation-id", "mine"}};
  of.add_to(headers);
  REQUIRE(headers.size() == 3);
  CHECK(tracing::find_header(headers, "correlation-id") == "mine");
  CHECK(tracing::find_header(headers, "causation-id") == "a");
  CHECK(tracing::lineage{}.headers().empty());
}
