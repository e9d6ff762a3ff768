#include <isa-l/crc.h>

#include <algorithm>
#include <climits>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <skald/protocol/crc32c.hpp>

namespace skald::protocol {
namespace {

// ISA-L's AVX-512 routine returns with the upper halves of the vector registers in use. The next SSE
// instruction, which is what all other code here is compiled to, then has to save them, and the next checksum
// to restore them: together more than the checksum of a small record (Intel's optimization manual, "Mixing
// AVX Code with SSE Code").
#if defined(__x86_64__)
__attribute__((target("avx"))) void clear_upper_halves() noexcept {
  _mm256_zeroupper();
}
const bool has_upper_halves = __builtin_cpu_supports("avx");
#else
void clear_upper_halves() noexcept {}
constexpr bool has_upper_halves = false;
#endif

}  // namespace

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
  if (has_upper_halves) clear_upper_halves();
  return ~shift_register;
}

}  // namespace skald::protocol
