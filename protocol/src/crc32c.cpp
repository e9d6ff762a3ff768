#include <isa-l/crc.h>

#include <algorithm>
#include <climits>

#include <skald/protocol/crc32c.hpp>

namespace skald::protocol {

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed) noexcept {
  // ISA-L takes and returns the bare shift register: the inversions before and after are the caller's.
  std::uint32_t shift_register = ~seed;
  while (!data.empty()) {
    const auto piece = data.first(std::min<std::size_t>(data.size(), INT_MAX));
    // It only reads, although it asks for a mutable buffer.
    auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(piece.data()));
    shift_register = crc32_iscsi(bytes, static_cast<int>(piece.size()), shift_register);
    data = data.subspan(piece.size());
  }
  return ~shift_register;
}

}  // namespace skald::protocol
