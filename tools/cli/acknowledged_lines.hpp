// Which lines of the input were acknowledged, exactly, in memory that grows only with how far
// acknowledgements are out of order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace skald::cli {

// First and last, both inclusive, counted from 1.
struct line_range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  friend bool operator==(line_range, line_range) = default;
};

// Not thread-safe.
class acknowledged_lines {
 public:
  // Each line may be marked more than once.
  void mark(std::uint64_t line);

  std::uint64_t count() const { return count_; }
  std::vector<line_range> ranges() const;

  // "line 1", "lines 1-4,096", "lines 1-4,096, 4,098 and 4,100-4,200". At most `ranges_max` are named; the
  // others are summed up, as in "... and 17 more in 12 ranges up to 5,000". "no lines" when there is none.
  // `noun` stands in for "line" where the input is something else.
  std::string describe(std::string_view noun, std::size_t ranges_max = 50) const;

 private:
  std::uint64_t count_ = 0;
  std::uint64_t full_words_ = 0;  // of 64 lines each, all marked, before the window
  std::deque<std::uint64_t> window_;
};

}  // namespace skald::cli
