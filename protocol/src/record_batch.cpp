#include <skald/protocol/crc32c.hpp>
#include <skald/protocol/record_batch.hpp>
#include <skald/protocol/varint.hpp>
#include <string>

#include "protocol/src/batch_layout.hpp"
#include "protocol/src/bytes.hpp"

namespace skald::protocol {
namespace {

template <class Signed>
Signed load(std::span<const std::byte> batch, std::size_t field) {
  return static_cast<Signed>(load_big_endian<std::make_unsigned_t<Signed>>(batch.data() + field));
}

failure malformed(std::string message) {
  return {errc::corrupt_batch, std::move(message)};
}

// The trusting readers are for bytes that check() has walked through: they know no end.
template <class Unsigned>
inline Unsigned trusted_bits(const std::byte*& at) {
  auto bits = std::to_integer<Unsigned>(*at++);
  if (bits < 0x80) [[likely]]
    return bits;
  bits &= 0x7f;
  for (int shift = 7;; shift += 7) {
    const auto byte = std::to_integer<Unsigned>(*at++);
    bits |= (byte & 0x7f) << shift;
    if (byte < 0x80) return bits;
  }
}

inline std::int32_t trusted_varint(const std::byte*& at) {
  return detail::unzigzag(trusted_bits<std::uint32_t>(at));
}

inline std::int64_t trusted_varlong(const std::byte*& at) {
  return detail::unzigzag(trusted_bits<std::uint64_t>(at));
}

inline std::string_view take(const std::byte*& at, std::int32_t size) {
  const std::string_view taken(reinterpret_cast<const char*>(at), static_cast<std::size_t>(size));
  at += size;
  return taken;
}

inline std::optional<std::string_view> trusted_nullable(const std::byte*& at) {
  const std::int32_t size = trusted_varint(at);
  return size < 0 ? std::nullopt : std::optional(take(at, size));
}

}  // namespace

// ---- iteration -----------------------------------------------------------------------------------------

void header_range::iterator::read() {
  if (left_ == 0) return;
  const std::int32_t key_size = trusted_varint(at_);
  header_.key = take(at_, key_size);
  header_.value = trusted_nullable(at_);
}

void record_range::iterator::read() {
  if (left_ == 0) return;
  const std::int32_t length = trusted_varint(at_);
  const std::byte* at = at_ + 1;  // past the record's attributes, which are 0
  at_ += length;
  record_.timestamp = base_timestamp_ + std::chrono::milliseconds(trusted_varlong(at));
  const auto offset_delta = static_cast<std::uint32_t>(trusted_varint(at));
  record_.offset = offsets_ != nullptr ? *offsets_++ : base_offset_ + offset_delta;
  content_ = at;
  record_.key = trusted_nullable(at);
  record_.value = trusted_nullable(at);
  const auto headers = static_cast<std::uint32_t>(trusted_varint(at));
  record_.headers = record_range::headers_at(at, headers);
}

// ---- fixed fields --------------------------------------------------------------------------------------

result<batch_view> batch_view::parse(std::span<const std::byte> data) {
  if (data.size() < batch_header_bytes)
    return malformed("the record batch is cut off: its fixed fields take 61 bytes, " +
                     std::to_string(data.size()) + " are left");
  if (const auto magic = load<std::int8_t>(data, layout::magic); magic != layout::magic_value)
    return malformed("not a record batch of version 2: its magic number is " + std::to_string(magic));
  const auto length = load<std::int32_t>(data, layout::batch_length);
  if (length < static_cast<std::int32_t>(batch_header_bytes - layout::uncounted_bytes))
    return malformed("the record batch claims a length of " + std::to_string(length) +
                     ", shorter than its fixed fields");
  const std::size_t size = layout::uncounted_bytes + static_cast<std::size_t>(length);
  if (size > data.size())
    return malformed("the record batch is cut off: it claims " + std::to_string(size) + " bytes, " +
                     std::to_string(data.size()) + " are left");
  return batch_view(data.first(size));
}

offset batch_view::base_offset() const {
  return skald::offset(load<std::uint64_t>(data_, layout::base_offset));
}
std::int32_t batch_view::leader_epoch() const {
  return load<std::int32_t>(data_, layout::leader_epoch);
}
std::uint32_t batch_view::crc() const {
  return load<std::uint32_t>(data_, layout::crc);
}
std::uint16_t batch_view::attributes() const {
  return load<std::uint16_t>(data_, layout::attributes);
}
std::int32_t batch_view::last_offset_delta() const {
  return load<std::int32_t>(data_, layout::last_offset_delta);
}
timestamp batch_view::base_timestamp() const {
  return timestamp(std::chrono::milliseconds(load<std::int64_t>(data_, layout::base_timestamp)));
}
timestamp batch_view::max_timestamp() const {
  return timestamp(std::chrono::milliseconds(load<std::int64_t>(data_, layout::max_timestamp)));
}
std::int32_t batch_view::record_count() const {
  return load<std::int32_t>(data_, layout::record_count);
}

std::optional<producer_stamp> batch_view::producer() const {
  const auto id = load<std::int64_t>(data_, layout::producer_id);
  if (id == -1) return std::nullopt;
  return producer_stamp{producer_id(static_cast<std::uint64_t>(id)),
                        producer_epoch(load<std::uint16_t>(data_, layout::producer_epoch)),
                        load<std::int32_t>(data_, layout::base_sequence)};
}

bool batch_view::crc_matches() const {
  return crc32c(data_.subspan(layout::attributes)) == crc();
}

result<batch_view> batch_splitter::next() {
  auto batch = batch_view::parse(rest_);
  rest_ = batch ? rest_.subspan(batch->size()) : std::span<const std::byte>();
  return batch;
}

void patch_base_offset(std::span<std::byte> batch, offset base, std::int32_t leader_epoch) noexcept {
  store_big_endian(batch.data() + layout::base_offset, base.value());
  store_big_endian(batch.data() + layout::leader_epoch, static_cast<std::uint32_t>(leader_epoch));
}

}  // namespace skald::protocol
