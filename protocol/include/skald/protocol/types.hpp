// The quantities that the protocol speaks of, as types that do not mix.
//
// Each is a number with a name: what makes no sense (adding two offsets, passing a partition as an offset)
// does not compile. `value()` gives the number for the wire.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>

namespace skald {

// A number that is an identity: comparable and hashable, without arithmetic.
template <class Tag, class Number>
class strong_id {
 public:
  using number = Number;
  constexpr strong_id() = default;
  explicit constexpr strong_id(Number value) : value_(value) {}
  constexpr Number value() const { return value_; }
  friend constexpr auto operator<=>(strong_id, strong_id) = default;

 private:
  Number value_ = 0;
};

using topic_id = strong_id<struct topic_id_tag, std::uint32_t>;
using partition_id = strong_id<struct partition_id_tag, std::uint32_t>;
using producer_id = strong_id<struct producer_id_tag, std::uint64_t>;
using producer_epoch = strong_id<struct producer_epoch_tag, std::uint16_t>;

// The place of a record in its partition: 0, 1, 2, ... Offset minus offset is a count of records.
class offset {
 public:
  constexpr offset() = default;
  explicit constexpr offset(std::uint64_t value) : value_(value) {}
  constexpr std::uint64_t value() const { return value_; }
  friend constexpr auto operator<=>(offset, offset) = default;
  friend constexpr offset operator+(offset at, std::uint64_t records) { return offset(at.value_ + records); }
  friend constexpr std::uint64_t operator-(offset end, offset begin) { return end.value_ - begin.value_; }
  constexpr offset& operator+=(std::uint64_t records) { return value_ += records, *this; }

 private:
  std::uint64_t value_ = 0;
};

// Milliseconds since the Unix epoch, as records carry them.
using timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

// What an acknowledgement promises. See wire.fbs.
enum class durability : std::uint8_t { memory = 0, disk = 1, quorum = 2 };

// How the records of a batch are compressed; the numbers are Kafka's.
enum class compression : std::uint8_t { none = 0, lz4 = 3, zstd = 4 };

}  // namespace skald

template <class Tag, class Number>
struct std::hash<skald::strong_id<Tag, Number>> {
  std::size_t operator()(skald::strong_id<Tag, Number> id) const noexcept {
    return std::hash<Number>{}(id.value());
  }
};
template <>
struct std::hash<skald::offset> {
  std::size_t operator()(skald::offset at) const noexcept { return std::hash<std::uint64_t>{}(at.value()); }
};
