// Sizes and durations as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "skald/protocol/result.hpp"

namespace skald::server {

// "4096", "64KiB", "128 MiB", "1.5GiB"; also KB, MB, GB (powers of ten), B, and T. Case does not matter.
result<std::uint64_t> parse_bytes(std::string_view text);
// "250ms", "30s", "10m", "2h", "7d".
result<std::chrono::milliseconds> parse_duration(std::string_view text);

// The shortest exact spelling, which the above read back as the same value.
std::string show_bytes(std::uint64_t bytes);
std::string show_duration(std::chrono::milliseconds time);

}  // namespace skald::server
