// Record batches: whatever the bytes, checking is safe; what passes can be iterated over, and built again
// from its records into a batch that passes with the same records.
#include <algorithm>
#include <vector>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/crc32c.hpp>
#include <skald/protocol/record_batch.hpp>

#include "tests/fuzz/fuzzer.hpp"

using namespace skald;
using namespace skald::protocol;
using skald::fuzz::require;

namespace {

// Small, so that the limits are met and the inputs stay quick.
constexpr batch_limits limits{.batch_bytes_max = 1u << 20,
                              .uncompressed_bytes_max = 1u << 18,
                              .records_max = 1u << 14,
                              .record_bytes_max = 1u << 16};

void require_same(const record_view& a, const record_view& b) {
  require(a.offset == b.offset && a.timestamp == b.timestamp, "a record keeps its offset and timestamp");
  require(a.key == b.key && a.value == b.value, "a record keeps its key and value");
  require(std::equal(a.headers.begin(), a.headers.end(), b.headers.begin(), b.headers.end()),
          "a record keeps its headers");
}

void rebuild(const record_range& records, offset base) {
  batch_builder builder;
  std::vector<header_view> headers;
  for (const record_view& record : records) {
    headers.assign(record.headers.begin(), record.headers.end());
    require(builder.append(record.key, record.value, headers, record.timestamp) == errc::ok,
            "a checked record can be appended");
  }
  std::vector<std::byte> bytes = builder.finish({.compression = compression::lz4});
  patch_base_offset(bytes, base, 0);
  const auto batch = batch_view::parse(bytes);
  require(batch.has_value(), "a built batch parses");
  batch_decoder decoder;
  const auto again = decoder.check(*batch);
  require(again.has_value() && again->size() == records.size(), "a built batch is sound");
  auto other = again->begin();
  for (const record_view& record : records) require_same(record, *other++);
}

// As rebuild(), with each record's content as it is encoded, and with offsets of their own.
void select(const record_range& records) {
  static batch_builder builder;
  std::vector<offset> offsets;
  const auto end = records.end();
  for (auto record = records.begin(); record != end; ++record) {
    require(builder.append_encoded(record.content(), record->timestamp) == errc::ok,
            "the content of a checked record can be appended");
    offsets.push_back(record->offset);
  }
  const auto batch = batch_view::parse(builder.finish_in_place());
  require(batch.has_value(), "a batch of selected records parses");
  batch_decoder decoder;
  const auto again = decoder.check(*batch);
  require(again.has_value() && again->size() == records.size(), "a batch of selected records is sound");
  const record_range numbered = again->renumbered(offsets.data());
  auto other = numbered.begin();
  for (const record_view& record : records) require_same(record, *other++);
}

// As compaction does: every other record, at its offset.
void leave_out(const record_range& records, const batch_view& batch) {
  static batch_builder builder;
  std::vector<record_view> kept;
  const auto end = records.end();
  bool keep = true;
  for (auto record = records.begin(); record != end; ++record, keep = !keep) {
    if (!keep) continue;
    const auto delta = static_cast<std::uint32_t>(record->offset - batch.base_offset());
    require(builder.append_encoded(record.content(), record->timestamp, delta) == errc::ok,
            "the content of a checked record can be appended");
    kept.push_back(*record);
  }
  const auto bytes =
      builder.finish_in_place({.last_offset_delta = static_cast<std::uint32_t>(batch.last_offset_delta())});
  patch_base_offset(bytes, batch.base_offset(), 0);
  const auto rest = batch_view::parse(bytes);
  require(rest.has_value() && rest->last_offset() == batch.last_offset(),
          "what is left out changes no bounds");
  batch_decoder decoder;
  const auto again = decoder.check(*rest, {.offset_gaps = true});
  require(again.has_value() && again->size() == kept.size(), "a batch with records left out is sound");
  auto other = kept.begin();
  for (const record_view& record : *again) require_same(record, *other++);
}

void check_with_gaps(const batch_view& batch) {
  static batch_decoder decoder;
  batch_limits with = limits;
  with.offset_gaps = true;
  const auto records = decoder.check(batch, with);
  if (records) leave_out(*records, batch);
}

void check(const batch_view& batch) {
  static batch_decoder decoder;
  check_with_gaps(batch);
  const auto records = decoder.check(batch, limits);
  if (!records) return require(!records.error().message.empty(), "a refusal has a message");
  require(records->size() >= 1 && records->size() <= limits.records_max,
          "the number of records is in bounds");
  require(records->largest_record_bytes() <= limits.record_bytes_max, "the largest record is in bounds");
  rebuild(*records, batch.base_offset());
  select(*records);
}

// The same batch with a length and a checksum that are right: otherwise hardly an input gets past them.
std::vector<std::byte> sealed(std::span<const std::byte> data) {
  std::vector<std::byte> bytes(data.begin(), data.end());
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::byte>(value >> (24 - 8 * i));
  };
  bytes[16] = std::byte{2};
  put(8, static_cast<std::uint32_t>(bytes.size() - 12));
  put(17, crc32c(std::span<const std::byte>(bytes).subspan(21)));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  std::size_t walked = 0;
  for (batch_splitter rest(bytes); !rest.done();) {
    const auto batch = rest.next();
    if (!batch) break;
    walked += batch->size();
    check(*batch);
  }
  require(walked <= size, "batches lie within the input");

  if (size < batch_header_bytes) return 0;
  const std::vector<std::byte> whole = sealed(bytes);
  const auto batch = batch_view::parse(whole);
  require(batch.has_value() && batch->size() == size, "a sealed batch parses");
  check(*batch);
  return 0;
}
