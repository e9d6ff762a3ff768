// What benchmarks publish: bytes of the sizes asked for, each record with a stamp in front by which its
// receiver knows who sent it, as which, and when, and that all of it came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/protocol/result.hpp>

namespace skald::cli::bench {

struct stamp {
  std::uint32_t producer = 0;
  std::uint64_t sequence = 0;  // among this producer's records in the same partition, from 0
  std::int64_t due_ns = 0;     // on the steady clock of the sender's machine
  friend bool operator==(const stamp&, const stamp&) = default;
};

// It counts as part of the record's size. In the sender's byte order: sender and receiver are one process.
//   0  CRC32C of all that follows    4  producer    8  sequence    16  due_ns
inline constexpr std::size_t stamp_bytes = 24;

// `record` has at least stamp_bytes.
void write_stamp(std::span<char> record, const stamp& is) noexcept;
// Nothing when the record is too short or its checksum does not match.
std::optional<stamp> read_stamp(std::string_view record) noexcept;

enum class content : std::uint8_t { random, text };

// A few MiB of records that are used in turn, so that making the next one costs its stamp and its checksum.
// Copies are independent.
class payload_pool {
 public:
  // Sizes are distributed evenly from `bytes_min` to `bytes_max`, the same in every run. Random bytes do not
  // compress; text does, about as logs do.
  static payload_pool generated(std::size_t bytes_min, std::size_t bytes_max, content kind,
                                std::uint64_t seed = 1);
  // Real records: the lines of a file, each with room for a stamp in front. Fails without any.
  static result<payload_pool> of_lines(std::string_view file);

  // The next record, to be stamped. Valid until it comes round again.
  std::span<char> next() noexcept;

  std::size_t records() const { return slots_.size(); }
  double mean_bytes() const;
  std::size_t bytes_max() const;

 private:
  struct slot {
    std::size_t at;
    std::size_t bytes;
  };
  void add(std::size_t bytes);

  std::string bytes_;
  std::vector<slot> slots_;
  std::size_t next_ = 0;
};

}  // namespace skald::cli::bench
