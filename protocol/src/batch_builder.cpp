#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/crc32c.hpp>
#include <skald/protocol/varint.hpp>

#include "protocol/src/batch_layout.hpp"
#include "protocol/src/bytes.hpp"
#include "protocol/src/compressor.hpp"

namespace skald::protocol {
namespace {

constexpr std::size_t batch_bytes_max = std::numeric_limits<std::int32_t>::max();

using nullable = std::optional<std::string_view>;

// Lengths come from the caller and may be beyond what the format can say; append refuses those by the sum.
std::size_t sized_bytes(std::size_t length) {
  return length +
         (length > batch_bytes_max ? varint_bytes_max : varint_size(static_cast<std::int32_t>(length)));
}

std::size_t nullable_bytes(const nullable& field) {
  return field ? sized_bytes(field->size()) : 1;
}

std::size_t headers_bytes(std::span<const header_view> headers) {
  std::size_t bytes = sized_bytes(headers.size()) - headers.size();
  for (const header_view& header : headers)
    bytes += sized_bytes(header.key.size()) + nullable_bytes(header.value);
  return bytes;
}

std::byte* write_sized(std::byte* out, std::string_view field) {
  out = write_varint(out, static_cast<std::int32_t>(field.size()));
  if (!field.empty()) std::memcpy(out, field.data(), field.size());
  return out + field.size();
}

std::byte* write_nullable(std::byte* out, const nullable& field) {
  return field ? write_sized(out, *field) : write_varint(out, -1);
}

template <class Signed>
void store(std::span<std::byte> batch, std::size_t field, Signed value) {
  store_big_endian(batch.data() + field, static_cast<std::make_unsigned_t<Signed>>(value));
}

}  // namespace

batch_builder::batch_builder(std::size_t reserve_bytes)
    : reserve_bytes_(std::max(reserve_bytes, batch_header_bytes)) {}
batch_builder::~batch_builder() = default;
batch_builder::batch_builder(batch_builder&&) noexcept = default;
batch_builder& batch_builder::operator=(batch_builder&&) noexcept = default;

std::size_t batch_builder::record_bytes_max(nullable key, nullable value,
                                            std::span<const header_view> headers) {
  // Its length, its attributes and both deltas at their longest.
  return varint_bytes_max + 1 + varlong_bytes_max + varint_bytes_max + nullable_bytes(key) +
         nullable_bytes(value) + headers_bytes(headers);
}

errc batch_builder::append(nullable key, nullable value, std::span<const header_view> headers, timestamp at) {
  if (at < timestamp_min || at > timestamp_max) return errc::invalid_request;
  std::byte* out =
      begin_record(nullable_bytes(key) + nullable_bytes(value) + headers_bytes(headers), at, next_delta_);
  if (out == nullptr) return errc::record_too_large;
  out = write_nullable(out, key);
  out = write_nullable(out, value);
  out = write_varint(out, static_cast<std::int32_t>(headers.size()));
  for (const header_view& header : headers) {
    out = write_sized(out, header.key);
    out = write_nullable(out, header.value);
  }
  end_record(out, at);
  return errc::ok;
}

errc batch_builder::append_encoded(std::span<const std::byte> content, timestamp at) {
  return append_encoded(content, at, next_delta_);
}

errc batch_builder::append_encoded(std::span<const std::byte> content, timestamp at,
                                   std::uint32_t offset_delta) {
  assert(offset_delta >= next_delta_);
  if (at < timestamp_min || at > timestamp_max) return errc::invalid_request;
  std::byte* const out = begin_record(content.size(), at, offset_delta);
  if (out == nullptr) return errc::record_too_large;
  std::memcpy(out, content.data(), content.size());
  end_record(out + content.size(), at);
  return errc::ok;
}

// Writes what goes before a record's content; nullptr if the batch would become too large.
std::byte* batch_builder::begin_record(std::size_t content_bytes, timestamp at, std::uint32_t offset_delta) {
  const timestamp base = records_ == 0 ? at : base_timestamp_;
  const std::int64_t timestamp_delta = (at - base).count();
  const auto delta = static_cast<std::int32_t>(offset_delta);
  const std::size_t length = 1 + varlong_size(timestamp_delta) + varint_size(delta) + content_bytes;
  if (length > batch_bytes_max - varint_bytes_max - bytes()) return nullptr;

  if (records_ == 0) {
    used_ = batch_header_bytes;
    base_timestamp_ = max_timestamp_ = at;
  }
  make_room(varint_bytes_max + length);
  std::byte* out = buffer_.data() + used_;
  out = write_varint(out, static_cast<std::int32_t>(length));
  *out++ = std::byte{0};  // attributes
  out = write_varlong(out, timestamp_delta);
  next_delta_ = offset_delta + 1;
  return write_varint(out, delta);
}

void batch_builder::end_record(const std::byte* end, timestamp at) {
  used_ = static_cast<std::size_t>(end - buffer_.data());
  max_timestamp_ = std::max(max_timestamp_, at);
  ++records_;
}

void batch_builder::make_room(std::size_t bytes) {
  const std::size_t needed = used_ + bytes;
  if (needed <= buffer_.size()) return;
  // A recycled buffer has the size of its last batch and room for more: only what is added to it is
  // zero-filled.
  constexpr std::size_t step = 4096;
  const std::size_t room = buffer_.capacity();
  const std::size_t larger = std::max({needed, buffer_.size() * 2, reserve_bytes_});
  buffer_.resize(needed <= room ? std::min(needed + step, room) : larger);
}

std::vector<std::byte> batch_builder::finish(const batch_options& options) {
  assert(records_ > 0);
  std::vector<std::byte> batch;
  auto used_compression = compression::none;
  if (options.compression != compression::none) {
    batch = compress(options);
    if (!batch.empty()) used_compression = options.compression;
  }
  if (used_compression == compression::none) {
    batch = std::move(buffer_);
    batch.resize(used_);
    buffer_.clear();
  }

  write_fixed_fields(batch, options, used_compression);
  clear();
  return batch;
}

std::span<std::byte> batch_builder::finish_in_place(const batch_options& options) {
  assert(records_ > 0 && options.compression == compression::none);
  const std::span<std::byte> batch = std::span(buffer_).first(used_);
  write_fixed_fields(batch, options, compression::none);
  clear();
  return batch;
}

void batch_builder::write_fixed_fields(std::span<std::byte> batch, const batch_options& options,
                                       compression used_compression) const {
  const producer_stamp* producer = options.producer ? &*options.producer : nullptr;
  store<std::int64_t>(batch, layout::base_offset, 0);
  store(batch, layout::batch_length, static_cast<std::int32_t>(batch.size() - layout::uncounted_bytes));
  store<std::int32_t>(batch, layout::leader_epoch, 0);
  batch[layout::magic] = std::byte{layout::magic_value};
  store(batch, layout::attributes, static_cast<std::int16_t>(used_compression));
  store(batch, layout::last_offset_delta,
        static_cast<std::int32_t>(std::max(next_delta_ - 1, options.last_offset_delta)));
  store<std::int64_t>(batch, layout::base_timestamp, base_timestamp_.time_since_epoch().count());
  store<std::int64_t>(batch, layout::max_timestamp, max_timestamp_.time_since_epoch().count());
  store(batch, layout::producer_id, producer ? static_cast<std::int64_t>(producer->id.value()) : -1);
  store(batch, layout::producer_epoch,
        producer ? static_cast<std::int16_t>(producer->epoch.value()) : std::int16_t{-1});
  store(batch, layout::base_sequence, producer ? producer->base_sequence : -1);
  store(batch, layout::record_count, static_cast<std::int32_t>(records_));
  store(batch, layout::crc, crc32c(std::span<const std::byte>(batch).subspan(layout::attributes)));
}

// Empty when the records would not become smaller.
std::vector<std::byte> batch_builder::compress(const batch_options& options) {
  if (!compressor_) compressor_ = std::make_unique<compressor>();
  const auto records = std::span<const std::byte>(buffer_).first(used_).subspan(batch_header_bytes);
  std::vector<std::byte> batch(batch_header_bytes + compressor::bound(options.compression, records.size()));
  const std::size_t used = compressor_->run(options.compression, options.compression_level, records,
                                            std::span(batch).subspan(batch_header_bytes));
  if (used >= records.size()) return {};
  batch.resize(batch_header_bytes + used);
  return batch;
}

void batch_builder::clear() {
  used_ = 0;
  records_ = 0;
  next_delta_ = 0;
}

void batch_builder::recycle(std::vector<std::byte>&& buffer) {
  if (records_ > 0 || buffer.capacity() <= buffer_.capacity()) return;
  buffer_ = std::move(buffer);  // of the size that the last batch had, as this one will have
}

}  // namespace skald::protocol
