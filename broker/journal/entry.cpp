#include "broker/journal/entry.hpp"

#include <algorithm>
#include <boost/endian/conversion.hpp>
#include <string_view>

#include "skald/protocol/crc32c.hpp"

namespace skald::journal {

namespace {

namespace endian = boost::endian;
using protocol::crc32c;

constexpr std::string_view magic = "SKALDJNL";

// Where the fields are.
constexpr std::size_t magic_at = 0;
constexpr std::size_t format_at = 8;
constexpr std::size_t checksum_at = 12;
constexpr std::size_t generation_at = 16;
constexpr std::size_t segment_bytes_at = 24;
constexpr std::size_t id_at = 32;

constexpr std::size_t entry_checksum_at = 0;
constexpr std::size_t payload_checksum_at = 4;
constexpr std::size_t payload_bytes_at = 8;
constexpr std::size_t kind_at = 12;
constexpr std::size_t zeros_at = 13;
constexpr std::size_t entry_generation_at = 16;
constexpr std::size_t sequence_at = 24;
constexpr std::size_t index_at = 32;
constexpr std::size_t term_at = 40;
constexpr std::size_t durable_at = 48;

unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

void put_u32(std::byte* at, std::uint32_t value) {
  endian::store_little_u32(raw(at), value);
}
void put_u64(std::byte* at, std::uint64_t value) {
  endian::store_little_u64(raw(at), value);
}
std::uint32_t get_u32(const std::byte* at) {
  return endian::load_little_u32(raw(at));
}
std::uint64_t get_u64(const std::byte* at) {
  return endian::load_little_u64(raw(at));
}

std::uint32_t checksum_of_header(std::span<const std::byte, segment_header_bytes> bytes) {
  constexpr std::array<std::byte, 4> zeros{};
  const std::uint32_t before = crc32c(bytes.first(checksum_at));
  return crc32c(bytes.subspan(checksum_at + zeros.size()), crc32c(zeros, before));
}

bool is_kind(std::byte value) {
  return value >= std::byte(entry_kind::command) && value <= std::byte(entry_kind::sync_mark);
}

}  // namespace

void encode(const segment_header& header, std::span<std::byte, segment_header_bytes> into) {
  std::ranges::fill(into, std::byte{0});
  std::ranges::transform(magic, into.begin() + magic_at, [](char c) { return std::byte(c); });
  put_u32(&into[format_at], header.format);
  put_u64(&into[generation_at], header.generation);
  put_u64(&into[segment_bytes_at], header.segment_bytes);
  std::ranges::copy(header.id, into.begin() + id_at);
  put_u32(&into[checksum_at], checksum_of_header(into));
}

errc decode(std::span<const std::byte, segment_header_bytes> from, segment_header& header) {
  const bool ours = std::ranges::equal(magic, from.first<magic.size()>(),
                                       [](char c, std::byte b) { return std::byte(c) == b; });
  if (!ours || get_u32(&from[checksum_at]) != checksum_of_header(from)) return errc::storage_corrupt;
  header.format = get_u32(&from[format_at]);
  if (header.format != format_version) return errc::unsupported_version;
  header.generation = get_u64(&from[generation_at]);
  header.segment_bytes = get_u64(&from[segment_bytes_at]);
  std::ranges::copy(from.subspan<id_at, std::tuple_size_v<journal_id>>(), header.id.begin());
  return errc::ok;
}

std::uint32_t checksum_seed(const journal_id& id) {
  return crc32c(id);
}

void encode(const entry_header& header, std::uint32_t seed, std::span<std::byte, entry_header_bytes> into) {
  std::ranges::fill(into, std::byte{0});
  put_u32(&into[payload_checksum_at], header.payload_checksum);
  put_u32(&into[payload_bytes_at], header.payload_bytes);
  into[kind_at] = std::byte(header.kind);
  put_u64(&into[entry_generation_at], header.generation);
  put_u64(&into[sequence_at], header.sequence);
  put_u64(&into[index_at], header.index);
  put_u64(&into[term_at], header.term);
  put_u64(&into[durable_at], header.durable);
  put_u32(&into[entry_checksum_at], crc32c(into.subspan<payload_checksum_at>(), seed));
}

std::optional<entry_header> decode(std::span<const std::byte, entry_header_bytes> from, std::uint32_t seed) {
  if (get_u32(&from[entry_checksum_at]) != crc32c(from.subspan<payload_checksum_at>(), seed)) return {};
  const auto zeros = from.subspan<zeros_at, entry_generation_at - zeros_at>();
  if (!is_kind(from[kind_at]) || std::ranges::any_of(zeros, [](std::byte b) { return b != std::byte{0}; })) {
    return {};
  }
  entry_header header;
  header.payload_checksum = get_u32(&from[payload_checksum_at]);
  header.payload_bytes = get_u32(&from[payload_bytes_at]);
  header.kind = entry_kind(from[kind_at]);
  header.generation = get_u64(&from[entry_generation_at]);
  header.sequence = get_u64(&from[sequence_at]);
  header.index = get_u64(&from[index_at]);
  header.term = get_u64(&from[term_at]);
  header.durable = get_u64(&from[durable_at]);
  return header;
}

}  // namespace skald::journal
