// What a decoder has to say about a batch.
#pragma once

#include <doctest/doctest.h>

#include <skald/protocol/error.hpp>
#include <skald/protocol/record_batch.hpp>

#include "tests/protocol/bytes.hpp"

namespace skald::protocol::test {

// Code and reason; errc::ok when the batch is sound.
inline failure batch_refusal(const byte_string& bytes, const batch_limits& limits = {}) {
  const auto batch = batch_view::parse(bytes);
  REQUIRE(batch.has_value());
  batch_decoder decoder;
  const auto records = decoder.check(*batch, limits);
  return records ? failure{errc::ok, ""} : records.error();
}

}  // namespace skald::protocol::test
