// CRC32C (Castagnoli), the checksum of record batches and journal entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace skald::protocol {

// The checksum of `data`, initialised and finished as RFC 3720 says: that of "123456789" is 0xe3069283. To
// continue over further bytes pass the checksum so far: crc32c(b, crc32c(a)) is the checksum of a then b.
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed = 0) noexcept;

}  // namespace skald::protocol
