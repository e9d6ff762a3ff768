#include "bench/compare/records.hpp"

#include <cstring>
#include <random>
#include <skald/protocol/crc32c.hpp>
#include <span>

namespace skald::bench::compare {
namespace {

// The checksum of the number and the rest.
//   0  number, u64    8  CRC32C of all else, u32    12  random bytes
std::uint32_t checksum_of(std::string_view record) {
  const auto bytes = std::as_bytes(std::span(record));
  std::uint64_t number = 0;
  std::memcpy(&number, record.data(), sizeof number);
  return protocol::crc32c(bytes.subspan(record_bytes_min)) ^
         static_cast<std::uint32_t>((number ^ (number >> 32)) * 0x9e3779b1u);
}

}  // namespace

record_source::record_source(std::size_t bytes) : bytes_(bytes), pool_(bytes + variety, '\0') {
  std::mt19937 random(7411);
  for (char& each : pool_) each = static_cast<char>(random());
}

std::string_view record_source::make(std::uint64_t number) {
  char* const record = pool_.data() + number % variety;
  std::memcpy(record, &number, sizeof number);
  const std::uint32_t checksum = checksum_of({record, bytes_});
  std::memcpy(record + sizeof number, &checksum, sizeof checksum);
  return {record, bytes_};
}

void record_check::saw(std::string_view record) {
  std::uint64_t number = 0;
  std::uint32_t checksum = 0;
  if (record.size() < record_bytes_min) {
    ++damaged_;
    return;
  }
  std::memcpy(&number, record.data(), sizeof number);
  std::memcpy(&checksum, record.data() + sizeof number, sizeof checksum);
  if (checksum != checksum_of(record)) {
    ++damaged_;
    return;
  }
  bytes_ += record.size();
  if (number < next_) {
    ++repeated_;
    return;
  }
  missing_ += number - next_;
  next_ = number + 1;
}

std::string record_check::complaint(std::uint64_t written) const {
  const std::uint64_t missing = missing_ + (written > next_ ? written - next_ : 0);
  if (missing == 0 && repeated_ == 0 && damaged_ == 0) return {};
  return std::to_string(missing) + " of " + std::to_string(written) + " records missing, " +
         std::to_string(repeated_) + " repeated or out of order, " + std::to_string(damaged_) + " damaged";
}

}  // namespace skald::bench::compare
