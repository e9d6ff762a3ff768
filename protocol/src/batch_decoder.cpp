// Verifying batches: the one place that reads bytes nobody has vouched for.
#include <algorithm>
#include <limits>
#include <skald/protocol/record_batch.hpp>
#include <skald/protocol/varint.hpp>
#include <string>

#include "protocol/src/batch_layout.hpp"
#include "protocol/src/decompressor.hpp"

namespace skald::protocol {
namespace {

failure corrupt(std::string message) {
  return {errc::corrupt_batch, std::move(message)};
}

constexpr std::int64_t first_ms = timestamp_min.time_since_epoch().count();
constexpr std::int64_t last_ms = timestamp_max.time_since_epoch().count();

// What is wrong with the fields before the records, if anything.
result<> check_fixed_fields(const batch_view& batch, const batch_limits& limits) {
  if (batch.size() > limits.batch_bytes_max)
    return failure{errc::batch_too_large, "a batch of " + std::to_string(batch.size()) +
                                              " bytes is over the limit of " +
                                              std::to_string(limits.batch_bytes_max)};
  if (!batch.crc_matches()) return corrupt("the batch's checksum does not match its bytes");

  const unsigned attributes = batch.attributes();
  if ((attributes & ~7u) != 0)
    return corrupt("the batch has attributes that are not allowed here: " + std::to_string(attributes));
  if (const auto code = batch.compression_code(); code != 0 && code != 3 && code != 4)
    return failure{errc::unsupported_compression,
                   "compression " + std::to_string(code) + " is not supported; use none, lz4 or zstd"};

  if (const auto producer = batch.producer()) {
    if (producer->id.value() > std::numeric_limits<std::int64_t>::max() ||
        producer->epoch.value() > std::numeric_limits<std::int16_t>::max() || producer->base_sequence < 0)
      return corrupt("the batch's producer id, epoch or sequence is negative");
  }
  const auto count = batch.record_count();
  if (count < 1) return corrupt("the batch claims to hold " + std::to_string(count) + " records");
  if (static_cast<std::uint32_t>(count) > limits.records_max)
    return failure{errc::batch_too_large, "a batch of " + std::to_string(count) +
                                              " records is over the limit of " +
                                              std::to_string(limits.records_max)};
  const auto last_delta = batch.last_offset_delta();
  if (limits.offset_gaps ? last_delta < count - 1 : last_delta != count - 1)
    return corrupt("the batch's last offset delta is " + std::to_string(last_delta) + ", with " +
                   std::to_string(count) + " records");
  constexpr std::uint64_t offset_max = std::numeric_limits<std::int64_t>::max();
  if (batch.base_offset().value() > offset_max - static_cast<std::uint64_t>(last_delta))
    return corrupt("the batch's offsets are out of range");
  if (const auto base = batch.base_timestamp(); base < timestamp_min || base > timestamp_max)
    return corrupt("the batch's base timestamp is out of range");
  return {};
}

// Reads a length and steps over that many bytes, which it adds to `content`; nullptr if they are not there.
// -1 stands for absent where that is allowed.
template <bool nullable>
inline const std::byte* skip_sized(const std::byte* at, const std::byte* end, std::size_t& content) {
  std::int32_t size = 0;
  at = read_varint(at, end, size);
  if (at == nullptr || size > end - at) return nullptr;
  if (size < 0) return nullable && size == -1 ? at : nullptr;
  content += static_cast<std::size_t>(size);
  return at + size;
}

const std::byte* skip_headers(const std::byte* at, const std::byte* end, std::size_t& content) {
  std::int32_t count = 0;
  at = read_varint(at, end, count);
  if (at == nullptr || count < 0) return nullptr;
  for (; count > 0 && at != nullptr; --count) {
    at = skip_sized<false>(at, end, content);
    if (at != nullptr) at = skip_sized<true>(at, end, content);
  }
  return at;
}

class record_checker {
 public:
  record_checker(std::span<const std::byte> records, const batch_view& batch, const batch_limits& limits)
      : at_(records.data()),
        end_(at_ + records.size()),
        base_ms_(batch.base_timestamp().time_since_epoch().count()),
        bytes_max_(limits.record_bytes_max),
        gaps_(limits.offset_gaps),
        last_delta_(batch.last_offset_delta()) {}

  // Steps over the next record; what is wrong with it, or nullptr.
  const char* next() {
    std::int32_t length = 0;
    const std::byte* at = read_varint(at_, end_, length);
    if (at == nullptr || length < 0 || length > end_ - at) return "its length exceeds the batch";
    const std::byte* const end = at + length;
    if (at == end || *at != std::byte{0}) return "its attributes are not 0";

    std::int64_t delta_ms = 0, at_ms = 0;
    at = read_varlong(at + 1, end, delta_ms);
    if (at == nullptr || __builtin_add_overflow(base_ms_, delta_ms, &at_ms) || at_ms < first_ms ||
        at_ms > last_ms)
      return "its timestamp is out of range";
    newest_ms_ = std::max(newest_ms_, at_ms);

    std::int32_t offset_delta = 0;
    at = read_varint(at, end, offset_delta);
    const bool follows =
        gaps_ ? offset_delta >= next_delta_ && offset_delta <= last_delta_ : offset_delta == next_delta_;
    if (at == nullptr || !follows) return "its offset delta does not follow the record before";
    next_delta_ = std::int64_t{offset_delta} + 1;
    std::size_t content = 0;
    if ((at = skip_sized<true>(at, end, content)) == nullptr) return "its key exceeds the record";
    if ((at = skip_sized<true>(at, end, content)) == nullptr) return "its value exceeds the record";
    if ((at = skip_headers(at, end, content)) == nullptr) return "its headers exceed the record";
    if (at != end) return "it is longer than its content";
    if (content > bytes_max_) return too_large;
    largest_ = std::max(largest_, content);
    at_ = end;
    return nullptr;
  }

  bool at_end() const { return at_ == end_; }
  std::size_t largest_record_bytes() const { return largest_; }
  std::int64_t newest_ms() const { return newest_ms_; }
  static constexpr const char* too_large = "it is over the size limit";

 private:
  const std::byte* at_;
  const std::byte* const end_;
  const std::int64_t base_ms_;
  const std::size_t bytes_max_;
  const bool gaps_;
  const std::int64_t last_delta_;
  std::int64_t next_delta_ = 0;
  std::int64_t newest_ms_ = first_ms;
  std::size_t largest_ = 0;
};

}  // namespace

batch_decoder::batch_decoder() = default;
batch_decoder::~batch_decoder() = default;
batch_decoder::batch_decoder(batch_decoder&&) noexcept = default;
batch_decoder& batch_decoder::operator=(batch_decoder&&) noexcept = default;

void batch_decoder::trim() {
  if (decompressor_) decompressor_->trim();
}

result<record_range> batch_decoder::check(const batch_view& batch, const batch_limits& limits) {
  if (const auto sound = check_fixed_fields(batch, limits); !sound) return sound.error();

  std::span<const std::byte> records = batch.records_section();
  if (const auto code = batch.compression_code(); code != 0) {
    if (!decompressor_) decompressor_ = std::make_unique<decompressor>();
    const auto plain =
        decompressor_->run(static_cast<compression>(code), records, limits.uncompressed_bytes_max);
    if (!plain) return plain.error();
    records = *plain;
  }

  const std::int32_t count = batch.record_count();
  record_checker checker(records, batch, limits);
  for (std::int32_t i = 0; i < count; ++i) {
    if (const char* wrong = checker.next()) [[unlikely]] {
      const auto code = wrong == record_checker::too_large ? errc::record_too_large : errc::corrupt_batch;
      return failure{code, "record " + std::to_string(i + 1) + " of " + std::to_string(count) +
                               " in the batch: " + wrong};
    }
  }
  if (!checker.at_end()) return corrupt("there are bytes after the last record of the batch");
  if (batch.max_timestamp().time_since_epoch().count() != checker.newest_ms())
    return corrupt("the batch's max timestamp is not that of its newest record");

  record_range range;
  range.data_ = records.data();
  range.count_ = static_cast<std::uint32_t>(count);
  range.largest_record_bytes_ = checker.largest_record_bytes();
  range.base_offset_ = batch.base_offset();
  range.base_timestamp_ = batch.base_timestamp();
  return range;
}

}  // namespace skald::protocol
