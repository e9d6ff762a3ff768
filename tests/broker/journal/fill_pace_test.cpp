#include "broker/journal/fill_pace.hpp"

#include <doctest/doctest.h>

namespace skald::journal::testing {
namespace {

constexpr std::uint64_t kib = 1024;

// An interval in which the journal writes `bytes`, and what may be filled after it.
struct watched {
  fill_pace pace;
  std::uint64_t written = 0;

  std::uint64_t interval(std::uint64_t bytes, bool is_next = true, std::uint64_t writing = 0) {
    pace.at_once(written, 1);
    written += bytes;
    return pace.beside(written, writing, is_next);
  }
};

}  // namespace

TEST_CASE("a journal that pauses gets large pieces, one that writes or is in a write does not") {
  fill_pace pace;
  CHECK(pace.at_once(0, 0) == fill_pace::idle_piece_bytes);
  CHECK(pace.at_once(0, 0) == fill_pace::idle_piece_bytes);
  CHECK(pace.at_once(100, 0) == 0);
  CHECK(pace.at_once(100, 0) == fill_pace::idle_piece_bytes);
  CHECK(pace.at_once(100, 100) == 0);  // a sync that takes longer than an interval
}

TEST_CASE("beside a journal that writes a little, zeros keep somewhat ahead of it, in few pieces") {
  watched on;
  std::uint64_t zeros = 0;
  int pieces = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t piece = on.interval(30 * kib);
    CHECK(piece % 4096 == 0);
    zeros += piece;
    pieces += piece > 0 ? 1 : 0;
  }
  CHECK(zeros > on.written * 11 / 10);
  CHECK(zeros < on.written * 13 / 10);
  CHECK(pieces <= 500);
}

TEST_CASE("beside one that writes much, in an interval or at once, there are none") {
  watched on;
  CHECK(on.interval(300 * kib) == 0);
  CHECK(on.interval(200 * kib, true, 100 * kib) == 0);
  CHECK(on.interval(200 * kib, true, 10 * kib) > 0);
}

TEST_CASE("what comes after the next segment has time until the journal pauses") {
  watched on;
  CHECK(on.interval(200 * kib, false) == 0);
  CHECK(on.interval(0, true) == 0);
  CHECK(on.pace.at_once(on.written, 0) == fill_pace::idle_piece_bytes);
}

TEST_CASE("what was written without zeros beside it is not made up for all at once") {
  watched on;
  for (int i = 0; i < 1000; ++i) on.interval(4096 * kib);
  const std::uint64_t first = on.interval(100 * kib);
  CHECK(first > 0);
  CHECK(first <= 512 * kib);
  CHECK(on.interval(10 * kib) == 0);
}

}  // namespace skald::journal::testing
