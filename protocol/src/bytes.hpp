// Fixed-width integers in bytes of either order, at any alignment.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace skald::protocol {

constexpr std::uint8_t swap_bytes(std::uint8_t value) {
  return value;
}
constexpr std::uint16_t swap_bytes(std::uint16_t value) {
  return __builtin_bswap16(value);
}
constexpr std::uint32_t swap_bytes(std::uint32_t value) {
  return __builtin_bswap32(value);
}
constexpr std::uint64_t swap_bytes(std::uint64_t value) {
  return __builtin_bswap64(value);
}

template <std::unsigned_integral Number>
Number load_big_endian(const std::byte* at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  return std::endian::native == std::endian::big ? value : swap_bytes(value);
}

template <std::unsigned_integral Number>
void store_big_endian(std::byte* at, Number value) {
  if constexpr (std::endian::native != std::endian::big) value = swap_bytes(value);
  std::memcpy(at, &value, sizeof value);
}

template <std::unsigned_integral Number>
Number load_little_endian(const std::byte* at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  return std::endian::native == std::endian::little ? value : swap_bytes(value);
}

template <std::unsigned_integral Number>
void store_little_endian(std::byte* at, Number value) {
  if constexpr (std::endian::native != std::endian::little) value = swap_bytes(value);
  std::memcpy(at, &value, sizeof value);
}

}  // namespace skald::protocol
