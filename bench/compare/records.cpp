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

std::string complaint_text(std::uint64_t missing, std::uint64_t written, std::uint64_t repeated,
                           std::uint64_t damaged) {
  if (missing == 0 && repeated == 0 && damaged == 0) return {};
  return std::to_string(missing) + " of " + std::to_string(written) + " records missing, " +
         std::to_string(repeated) + " repeated or out of order, " + std::to_string(damaged) + " damaged";
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

std::optional<std::uint64_t> number_of(std::string_view record) {
  if (record.size() < record_bytes_min) return std::nullopt;
  std::uint64_t number = 0;
  std::uint32_t checksum = 0;
  std::memcpy(&number, record.data(), sizeof number);
  std::memcpy(&checksum, record.data() + sizeof number, sizeof checksum);
  if (checksum != checksum_of(record)) return std::nullopt;
  return number;
}

void record_check::saw(std::string_view record) {
  const std::optional<std::uint64_t> number = number_of(record);
  if (!number) {
    ++damaged_;
  } else if (*number < next_) {
    ++repeated_;
  } else {
    missing_ += *number - next_;
    next_ = *number + 1;
  }
}

std::string record_check::complaint(std::uint64_t written) const {
  const std::uint64_t missing = missing_ + (written > next_ ? written - next_ : 0);
  return complaint_text(missing, written, repeated_, damaged_);
}

std::string complaint_about_shares(const std::vector<std::vector<std::uint64_t>>& shares,
                                   std::uint64_t written, std::uint64_t left) {
  std::vector<bool> came(written);
  std::uint64_t distinct = 0;
  std::uint64_t repeated = 0;
  std::uint64_t damaged = 0;
  for (const auto& share : shares) {
    for (const std::uint64_t number : share) {
      if (number >= written) {
        ++damaged;
      } else if (came[number]) {
        ++repeated;
      } else {
        came[number] = true;
        ++distinct;
      }
    }
  }
  const std::uint64_t wanted = written - left;
  return complaint_text(wanted > distinct ? wanted - distinct : 0, written, repeated, damaged);
}

}  // namespace skald::bench::compare
