// Sizes, durations and counts as people write them, and back.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <skald/protocol/result.hpp>

namespace skald::cli {

// A whole number of bytes with an optional unit: B; kB, MB, GB, TB (powers of 1000); KiB, MiB, GiB, TiB or
// K, M, G, T (powers of 1024). Case does not matter. Fails with invalid_request.
result<std::uint64_t> parse_size(std::string_view text);

// One or more whole numbers with units, largest first: w, d, h, m, s, ms, as in "7d" or "1h30m". "0" needs no
// unit. Fails with invalid_request.
result<std::chrono::milliseconds> parse_duration(std::string_view text);

// "1 GiB", "1.5 MiB", "512 B": one decimal when it is not exact.
std::string format_size(std::uint64_t bytes);

// "7d", "1h30m", "0s": exact to the millisecond.
std::string format_duration(std::chrono::milliseconds duration);

// How long ago something was, as people want to know it: "93ms", "2.1s", "45s", "1m30s", "1h30m", "3d4h".
// What is in the future was just now.
std::string format_age(std::chrono::milliseconds age);

// "1,234,567".
std::string format_count(std::uint64_t number);

}  // namespace skald::cli
