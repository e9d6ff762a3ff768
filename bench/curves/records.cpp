#include "bench/curves/records.hpp"

#include <cstring>
#include <skald/protocol/crc32c.hpp>

namespace skald::bench::curves {
namespace {

std::uint32_t checksum_of(std::string_view record) {
  return protocol::crc32c(std::as_bytes(std::span(record.substr(sizeof(std::uint32_t)))));
}

}  // namespace

void write_mark(std::span<char> record, const mark& is) noexcept {
  std::memcpy(record.data() + 4, &is.publisher, sizeof is.publisher);
  std::memcpy(record.data() + 8, &is.sequence, sizeof is.sequence);
  const std::uint32_t checksum = checksum_of({record.data(), record.size()});
  std::memcpy(record.data(), &checksum, sizeof checksum);
}

std::optional<mark> read_mark(std::string_view record) noexcept {
  if (record.size() < mark_bytes) return std::nullopt;
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, record.data(), sizeof checksum);
  if (checksum != checksum_of(record)) return std::nullopt;
  mark is;
  std::memcpy(&is.publisher, record.data() + 4, sizeof is.publisher);
  std::memcpy(&is.sequence, record.data() + 8, sizeof is.sequence);
  return is;
}

}  // namespace skald::bench::curves
