#include <doctest/doctest.h>

#include "broker/shard/relocation.hpp"

namespace skald::shard {

TEST_CASE("which segment is emptied next") {
  constexpr std::uint64_t segment_bytes = 100;
  const auto gen = [](std::uint64_t id) { return journal::generation(id); };
  struct row {
    const char* story;
    std::vector<segment_use> candidates;
    std::uint64_t segments;
    std::uint64_t live_bytes;
    std::optional<journal::generation> expected;
  };
  const row table[] = {
      {"an empty journal", {}, 1, 0, std::nullopt},
      {"little waste is left alone", {{gen(1), 10}, {gen(2), 90}}, 3, 100, std::nullopt},
      {"as much as the slack allows", {{gen(1), 10}}, 5, 200, std::nullopt},
      {"more than that: the one with the least", {{gen(1), 40}, {gen(2), 10}, {gen(3), 30}}, 6, 80, gen(2)},
      {"of equals the oldest", {{gen(1), 10}, {gen(2), 10}}, 6, 80, gen(1)},
      {"empty ones are released, not emptied", {{gen(1), 0}, {gen(2), 50}}, 6, 50, gen(2)},
      {"none that is more than half alive", {{gen(1), 51}, {gen(2), 99}}, 9, 150, std::nullopt},
  };
  for (const row& r : table) {
    CAPTURE(r.story);
    CHECK(choose_relocation(r.candidates, r.segments, segment_bytes, r.live_bytes) == r.expected);
  }
}

}  // namespace skald::shard
