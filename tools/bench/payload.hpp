// What benchmarks publish: bytes of the sizes asked for, each record with a stamp at its end by which its
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
//   0  producer    4  sequence    12  due_ns    20  CRC32C of all before
inline constexpr std::size_t stamp_bytes = 24;

// A record to be stamped.
struct payload {
  std::span<char> record;
  std::uint32_t checksum = 0;  // of what is before its stamp
};

// The record has at least stamp_bytes.
void write_stamp(const payload& into, const stamp& is) noexcept;
// Nothing when the record is too short or its checksum does not match.
std::optional<stamp> read_stamp(std::string_view record) noexcept;

enum class content : std::uint8_t { random, text };

// Records that are used in turn, so that making the next one costs no more than its stamp. They stay in the
// processor's cache, as something just made would be, and are yet too many for one of them to come twice in a
// batch, where compression would find it.
// Copies are independent.
class payload_pool {
 public:
  // Sizes are distributed evenly from `bytes_min` to `bytes_max`, the same in every run. Random bytes do not
  // compress; text does, about as logs do.
  static payload_pool generated(std::size_t bytes_min, std::size_t bytes_max, content kind,
                                std::size_t batch_bytes = 0, std::uint64_t seed = 1);
  // Real records: the lines of a file, each with room for a stamp at its end. Fails without any.
  static result<payload_pool> of_lines(std::string_view file);

  // The next record. Valid until it comes round again.
  payload next() noexcept;

  std::size_t records() const { return slots_.size(); }
  double mean_bytes() const;
  std::size_t bytes_max() const;

 private:
  struct slot {
    std::size_t at;
    std::size_t bytes;
    std::uint32_t checksum;
  };
  void add(std::size_t bytes);
  void compute_checksums();

  std::string bytes_;
  std::vector<slot> slots_;
  std::size_t next_ = 0;
};

}  // namespace skald::cli::bench
