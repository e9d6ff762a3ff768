// Record batches: the unit of publish, storage and delivery, in the layout of Apache Kafka's record batch
// version 2 (the table is in protocol/SPEC.md). This header reads them; batch_builder.hpp writes them.
//
// A batch is read in two steps. `batch_view::parse` finds its bounds and its fixed fields, in constant time.
// `batch_decoder::check` verifies everything else once - checksum, attributes, counts, each record - and
// returns its records. A record_range comes from nowhere else, so that iterating over one cannot fail.
//
// Nothing here copies keys, values or headers: views point into the batch, or, when it is compressed, into
// the decoder's buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <skald/protocol/result.hpp>
#include <skald/protocol/types.hpp>

namespace skald::protocol {

class decompressor;

// The fixed fields before the records.
inline constexpr std::size_t batch_header_bytes = 61;

// Timestamps that a record may carry: 1970-01-01 to 9999-12-31, both inclusive.
inline constexpr timestamp timestamp_min{};
inline constexpr timestamp timestamp_max{std::chrono::milliseconds(253'402'300'799'999)};

// Who wrote a batch, and where it is in that producer's numbering of this partition's records.
struct producer_stamp {
  producer_id id;
  producer_epoch epoch;
  std::int32_t base_sequence = 0;  // of the first record; 0 to 2^31-1
  friend bool operator==(const producer_stamp&, const producer_stamp&) = default;
};

// The sequence number `records` after `sequence`. It wraps from 2^31-1 to 0.
constexpr std::int32_t sequence_after(std::int32_t sequence, std::uint32_t records) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(sequence) + records) & 0x7fffffffu);
}

// A partition remembers so many of the last batches of each producer, to know one that is sent again; hence a
// producer has no more on their way to it.
inline constexpr std::size_t remembered_batches = 16;

// ---- records -------------------------------------------------------------------------------------------

struct header_view {
  std::string_view key;
  std::optional<std::string_view> value{};  // empty and absent are different
  friend bool operator==(const header_view&, const header_view&) = default;
};

// The headers of one record, parsed as they are iterated over.
class header_range {
 public:
  class iterator {
   public:
    using value_type = header_view;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = const header_view&;
    using pointer = const header_view*;

    iterator() = default;
    const header_view& operator*() const { return header_; }
    const header_view* operator->() const { return &header_; }
    iterator& operator++() { return --left_, read(), *this; }
    iterator operator++(int) {
      iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.left_ == b.left_; }

   private:
    friend class header_range;
    iterator(const std::byte* at, std::uint32_t left) : at_(at), left_(left) { read(); }
    void read();

    const std::byte* at_ = nullptr;
    std::uint32_t left_ = 0;
    header_view header_;
  };

  header_range() = default;
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  iterator begin() const { return {data_, count_}; }
  iterator end() const { return {}; }

 private:
  friend class record_range;
  header_range(const std::byte* data, std::uint32_t count) : data_(data), count_(count) {}

  const std::byte* data_ = nullptr;
  std::uint32_t count_ = 0;
};

struct record_view {
  skald::offset offset;
  skald::timestamp timestamp;
  std::optional<std::string_view> key;    // absent: the record has no key; "" is a key
  std::optional<std::string_view> value;  // absent: a tombstone
  header_range headers;
};

// The records of a checked batch, in order. Views are valid while the bytes they point into are: the batch's
// own, or, if compressed, the decoder's until its next call. The bytes must not change meanwhile.
class record_range {
 public:
  class iterator {
   public:
    using value_type = record_view;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using reference = const record_view&;
    using pointer = const record_view*;

    iterator() = default;
    const record_view& operator*() const { return record_; }
    const record_view* operator->() const { return &record_; }
    // Its key, value and headers as they are encoded: the part of a record that does not depend on its batch.
    std::span<const std::byte> content() const { return {content_, at_}; }
    iterator& operator++() { return --left_, read(), *this; }
    iterator operator++(int) {
      iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.left_ == b.left_; }

   private:
    friend class record_range;
    explicit iterator(const record_range& range)
        : at_(range.data_),
          left_(range.count_),
          base_timestamp_(range.base_timestamp_),
          base_offset_(range.base_offset_),
          offsets_(range.offsets_) {
      read();
    }
    void read();

    const std::byte* at_ = nullptr;
    const std::byte* content_ = nullptr;
    std::uint32_t left_ = 0;
    timestamp base_timestamp_;
    skald::offset base_offset_;
    const skald::offset* offsets_ = nullptr;
    record_view record_;
  };

  record_range() = default;
  std::size_t size() const { return count_; }
  // The key, value and header bytes of the record that has the most.
  std::size_t largest_record_bytes() const { return largest_record_bytes_; }
  bool empty() const { return count_ == 0; }
  iterator begin() const { return iterator(*this); }
  iterator end() const { return {}; }
  // The same records with these offsets, as many as there are records: those of a batch of selected records
  // travel beside it. They must live as long as the range and its iterators are used.
  record_range renumbered(const skald::offset* offsets) const {
    record_range other = *this;
    other.offsets_ = offsets;
    return other;
  }

 private:
  friend class batch_decoder;
  static header_range headers_at(const std::byte* data, std::uint32_t count) { return {data, count}; }

  const std::byte* data_ = nullptr;
  std::uint32_t count_ = 0;
  std::size_t largest_record_bytes_ = 0;
  skald::offset base_offset_;
  timestamp base_timestamp_;
  const skald::offset* offsets_ = nullptr;  // absent: counted from the batch's base offset
};

// ---- batches -------------------------------------------------------------------------------------------

// The fixed fields of one batch in bytes that somebody else owns. As cheap to copy as a span.
class batch_view {
 public:
  // The batch at the front of `data`, which may hold more after it. Fails with corrupt_batch when the length
  // field or the magic number cannot be right or the batch is not all there. Verifies nothing else.
  static result<batch_view> parse(std::span<const std::byte> data);

  std::span<const std::byte> bytes() const { return data_; }
  std::size_t size() const { return data_.size(); }

  skald::offset base_offset() const;
  skald::offset last_offset() const { return end_offset_after(last_offset_delta()); }
  std::int32_t leader_epoch() const;
  std::uint32_t crc() const;
  std::uint16_t attributes() const;
  std::uint8_t compression_code() const { return attributes() & 7; }  // may be none that we know
  std::int32_t last_offset_delta() const;
  timestamp base_timestamp() const;
  timestamp max_timestamp() const;
  std::int32_t record_count() const;
  // Absent when the producer id is -1: the batch is not from an idempotent producer.
  std::optional<producer_stamp> producer() const;
  // The records as they are stored, compressed or not.
  std::span<const std::byte> records_section() const { return data_.subspan(batch_header_bytes); }

  bool crc_matches() const;

 private:
  friend class batch_decoder;
  explicit batch_view(std::span<const std::byte> data) : data_(data) {}
  skald::offset end_offset_after(std::int32_t delta) const {
    return base_offset() + static_cast<std::uint64_t>(delta);
  }

  std::span<const std::byte> data_;
};

// Takes concatenated batches apart:  for (batch_splitter rest(payload); !rest.done();) { rest.next() ... }
class batch_splitter {
 public:
  explicit batch_splitter(std::span<const std::byte> batches) : rest_(batches) {}
  bool done() const { return rest_.empty(); }
  // The next batch. After a failure (corrupt_batch) the splitter is done: no later bounds can be trusted.
  result<batch_view> next();

 private:
  std::span<const std::byte> rest_;
};

// Overwrites what the broker assigns. Neither field is under the checksum. `batch` must hold one parsed
// batch.
void patch_base_offset(std::span<std::byte> batch, offset base, std::int32_t leader_epoch) noexcept;

// ---- checking and decoding -----------------------------------------------------------------------------

// What a batch may cost. The first is of the batch as it travels; the others hold once it is uncompressed.
struct batch_limits {
  std::size_t batch_bytes_max = 16u << 20;
  std::size_t uncompressed_bytes_max = 64u << 20;
  std::uint32_t records_max = 1u << 20;
  std::size_t record_bytes_max = 16u << 20;  // the key, value and headers of one record
  // Accepts batches of which compaction has left records out: the others keep their offset deltas. What a
  // producer sends has none left out.
  bool offset_gaps = false;
};

// Checks batches and gives access to their records. It keeps decompression contexts and a buffer between
// calls: have one per thread or connection. Not safe for use by two threads at once.
class batch_decoder {
 public:
  batch_decoder();
  ~batch_decoder();
  batch_decoder(batch_decoder&&) noexcept;
  batch_decoder& operator=(batch_decoder&&) noexcept;

  // Verifies, in this order: the size, the checksum, the attributes (a known compression and nothing else),
  // the producer fields, the counts; then, record by record, that the records fill the batch exactly, are as
  // many as the count says (at least one), have the offset deltas 0, 1, 2 ... (with gaps, rising ones),
  // timestamps within timestamp_min and timestamp_max, and the newest of these as the batch's max timestamp.
  //
  // Fails with corrupt_batch, batch_too_large, record_too_large or unsupported_compression. Decompression
  // stops at the limit, so a bomb costs no more than uncompressed_bytes_max of memory.
  result<record_range> check(const batch_view& batch, const batch_limits& limits = {});

  // Gives back memory beyond what the next small batch needs. Invalidates ranges of compressed batches.
  void trim();

 private:
  std::unique_ptr<decompressor> decompressor_;  // created by the first compressed batch
};

}  // namespace skald::protocol
