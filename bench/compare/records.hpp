// What is written, and how to know that what is read is that: each record begins with its number and a
// checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skald::bench::compare {

inline constexpr std::size_t record_bytes_min = 12;

// Records of one size with random bytes, which no layer compresses.
class record_source {
 public:
  explicit record_source(std::size_t bytes);
  // The record with this number. Valid until the next call.
  std::string_view make(std::uint64_t number);

 private:
  static constexpr std::size_t variety = 1021;  // a prime: neighbouring records differ in every byte
  std::size_t bytes_;
  std::string pool_;
};

// Its number; nothing when it is damaged.
std::optional<std::uint64_t> number_of(std::string_view record);

// Of one reader of everything, in order.
class record_check {
 public:
  void saw(std::string_view record);
  std::uint64_t seen() const { return next_; }  // without gaps, so far
  // "": all of them came, each once, in order, undamaged.
  std::string complaint(std::uint64_t written) const;

 private:
  std::uint64_t next_ = 0;
  std::uint64_t missing_ = 0;
  std::uint64_t repeated_ = 0;
  std::uint64_t damaged_ = 0;
};

// What a share has instead of a number for a damaged record.
inline constexpr std::uint64_t damaged_record = std::numeric_limits<std::uint64_t>::max();
// Of several who share everything, in whatever order, and have left some. Gives the same complaints.
std::string complaint_about_shares(const std::vector<std::vector<std::uint64_t>>& shares,
                                   std::uint64_t written, std::uint64_t left);

}  // namespace skald::bench::compare
