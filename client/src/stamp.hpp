// Renumbering of finished batches.
#pragma once

#include <cstddef>
#include <span>

#include <skald/protocol/record_batch.hpp>

namespace skald::detail {

// Writes who sends `batch` and which number its first record has, and renews the checksum, which covers both.
// `batch` must hold one finished batch.
void stamp(std::span<std::byte> batch, const protocol::producer_stamp& as);

}  // namespace skald::detail
