// The variable-length integers inside record batches: zigzag, then seven bits a byte, least significant
// first, the high bit set on all bytes but the last (as in Protocol Buffers' sint32 and sint64).
//
// These are the innermost steps of encoding and decoding a record, so they work on pointers and are inline.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace skald::protocol {

inline constexpr std::size_t varint_bytes_max = 5;
inline constexpr std::size_t varlong_bytes_max = 10;

namespace detail {

constexpr std::uint32_t zigzag(std::int32_t value) {
  return (static_cast<std::uint32_t>(value) << 1) ^ static_cast<std::uint32_t>(value >> 31);
}
constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int32_t unzigzag(std::uint32_t bits) {
  return static_cast<std::int32_t>((bits >> 1) ^ (0u - (bits & 1u)));
}
constexpr std::int64_t unzigzag(std::uint64_t bits) {
  return static_cast<std::int64_t>((bits >> 1) ^ (0u - (bits & 1u)));
}

template <class Unsigned>
constexpr std::size_t encoded_size(Unsigned bits) {
  return (static_cast<std::size_t>(std::bit_width(bits | 1u)) + 6) / 7;
}

template <class Unsigned>
inline std::byte* encode(std::byte* out, Unsigned bits) {
  while (bits >= 0x80) {
    *out++ = static_cast<std::byte>((bits & 0x7f) | 0x80);
    bits >>= 7;
  }
  *out++ = static_cast<std::byte>(bits);
  return out;
}

template <class Unsigned, std::size_t bytes_max>
inline const std::byte* decode(const std::byte* at, const std::byte* end, Unsigned& bits) {
  constexpr int last_shift = 7 * static_cast<int>(bytes_max - 1);
  Unsigned value = 0;
  for (int shift = 0; shift <= last_shift && at != end; shift += 7) {
    const auto byte = std::to_integer<Unsigned>(*at++);
    // The last byte possible has fewer than seven bits of the number left; any other bit is an error.
    if (shift == last_shift && (byte >> (8 * sizeof(Unsigned) - last_shift)) != 0) return nullptr;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return bits = value, at;
  }
  return nullptr;
}

}  // namespace detail

// How many bytes the number takes: 1 to 5, and 1 to 10.
constexpr std::size_t varint_size(std::int32_t value) {
  return detail::encoded_size(detail::zigzag(value));
}
constexpr std::size_t varlong_size(std::int64_t value) {
  return detail::encoded_size(detail::zigzag(value));
}

// Writes the number at `out`, where there must be room for its size, and returns the place after it.
inline std::byte* write_varint(std::byte* out, std::int32_t value) {
  return detail::encode(out, detail::zigzag(value));
}
inline std::byte* write_varlong(std::byte* out, std::int64_t value) {
  return detail::encode(out, detail::zigzag(value));
}

// Reads a number from [at, end) and returns the place after it; nullptr, with `value` untouched, when the
// bytes end first or encode more bits than the type has. Encodings longer than needed are accepted.
inline const std::byte* read_varint(const std::byte* at, const std::byte* end, std::int32_t& value) {
  if (at != end && std::to_integer<std::uint32_t>(*at) < 0x80) {
    value = detail::unzigzag(std::to_integer<std::uint32_t>(*at));
    return at + 1;
  }
  std::uint32_t bits = 0;
  at = detail::decode<std::uint32_t, varint_bytes_max>(at, end, bits);
  if (at != nullptr) value = detail::unzigzag(bits);
  return at;
}
inline const std::byte* read_varlong(const std::byte* at, const std::byte* end, std::int64_t& value) {
  std::uint64_t bits = 0;
  at = detail::decode<std::uint64_t, varlong_bytes_max>(at, end, bits);
  if (at != nullptr) value = detail::unzigzag(bits);
  return at;
}

}  // namespace skald::protocol
