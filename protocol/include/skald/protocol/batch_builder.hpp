// Builds record batches (see record_batch.hpp) record by record.
//
// Records are encoded into one growing buffer behind a gap for the fixed fields, which `finish` fills in: an
// uncompressed batch is written once and never copied. Not safe for use by two threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <skald/protocol/error.hpp>
#include <skald/protocol/record_batch.hpp>
#include <skald/protocol/types.hpp>

namespace skald::protocol {

class compressor;

struct batch_options {
  skald::compression compression = skald::compression::none;
  int compression_level = 0;                 // 0: the library's default
  std::optional<producer_stamp> producer{};  // absent: not idempotent
  // Beyond the last record's, where records were left out behind it.
  std::uint32_t last_offset_delta = 0;
};

class batch_builder {
 public:
  // The buffer starts with room for `reserve_bytes`; it is allocated by the first append.
  explicit batch_builder(std::size_t reserve_bytes = 16 * 1024);
  ~batch_builder();
  batch_builder(batch_builder&&) noexcept;
  batch_builder& operator=(batch_builder&&) noexcept;

  // Adds a record; key, value and headers are copied. On failure the batch is unchanged: record_too_large if
  // it would grow beyond what the format can express (2 GiB), invalid_request for a timestamp outside
  // timestamp_min and timestamp_max.
  [[nodiscard]] errc append(std::optional<std::string_view> key, std::optional<std::string_view> value,
                            std::span<const header_view> headers, timestamp at);

  // Adds a record of another batch: its content as record_range::iterator::content() gives it, which is
  // copied. Fails as append() does.
  [[nodiscard]] errc append_encoded(std::span<const std::byte> content, timestamp at);
  // The same with an offset delta that leaves some out. It must be greater than those before.
  [[nodiscard]] errc append_encoded(std::span<const std::byte> content, timestamp at,
                                    std::uint32_t offset_delta);

  bool empty() const { return records_ == 0; }
  std::uint32_t records() const { return records_; }
  // The size of the batch if it were finished now without compression.
  std::size_t bytes() const { return records_ == 0 ? batch_header_bytes : used_; }
  // The most that appending such a record can add to bytes().
  static std::size_t record_bytes_max(std::optional<std::string_view> key,
                                      std::optional<std::string_view> value,
                                      std::span<const header_view> headers);

  // The finished batch: base offset 0, leader epoch 0. At least one record must have been appended. A batch
  // that compression would not make smaller is left uncompressed. The builder is empty again afterwards.
  std::vector<std::byte> finish(const batch_options& options = {});
  // The same without compression, in the builder's own buffer: valid until its next use.
  std::span<std::byte> finish_in_place(const batch_options& options = {});

  // Forgets the records and keeps the buffer.
  void clear();
  // Hands a batch's buffer back once it is no longer needed, to save an allocation.
  void recycle(std::vector<std::byte>&& buffer);

 private:
  std::byte* begin_record(std::size_t content_bytes, timestamp at, std::uint32_t offset_delta);
  void end_record(const std::byte* end, timestamp at);
  void make_room(std::size_t bytes);
  void write_fixed_fields(std::span<std::byte> batch, const batch_options& options,
                          compression used_compression) const;
  std::vector<std::byte> compress(const batch_options& options);

  std::vector<std::byte> buffer_;  // its size is the room: growing zero-fills once, not per record
  std::size_t used_ = 0;
  std::size_t reserve_bytes_;
  std::uint32_t records_ = 0;
  std::uint32_t next_delta_ = 0;
  timestamp base_timestamp_;
  timestamp max_timestamp_;
  std::unique_ptr<compressor> compressor_;  // created by the first compressed batch
};

}  // namespace skald::protocol
