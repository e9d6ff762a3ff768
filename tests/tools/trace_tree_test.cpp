#include "tools/cli/trace_tree.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace skald;
using cli::arrange;
using cli::traced_place;

namespace {

traced_place at(int time_ms, std::string id, std::string cause, std::uint64_t offset = 0) {
  return {.id = std::move(id),
          .cause = std::move(cause),
          .time = timestamp(std::chrono::milliseconds(time_ms)),
          .topic = "t",
          .offset = offset};
}

// Ids in order, each behind as many dots as it is deep.
std::string drawn(const std::vector<traced_place>& records) {
  std::string text;
  for (const cli::tree_line& line : arrange(records))
    text += std::string(line.depth, '.') + records[line.record].id + " ";
  return text;
}

}  // namespace

TEST_CASE("causes stand before what they caused, whatever their order was") {
  CHECK(drawn({at(4, "d", "b"), at(2, "b", "a"), at(1, "a", ""), at(3, "c", "a")}) == "a .b ..d .c ");
  CHECK(drawn({}).empty());
}

TEST_CASE("what has the same time is ordered by its place") {
  CHECK(drawn({at(1, "second", "", 2), at(1, "first", "", 1)}) == "first second ");
}

TEST_CASE("a record whose cause is not there begins a tree of its own") {
  CHECK(drawn({at(1, "a", "gone"), at(2, "b", "a"), at(3, "c", "gone too")}) == "a .b c ");
}

TEST_CASE("of several records with one id the last before the effect is its cause") {
  // A command that was sent again, and the answer to each.
  const std::vector<traced_place> records{at(1, "x", "", 1), at(2, "first", "x"), at(3, "x", "", 2),
                                          at(4, "second", "x")};
  CHECK(drawn(records) == "x .first x .second ");
  // A clock that is behind does not lose it.
  CHECK(drawn({at(5, "x", ""), at(4, "early", "x")}) == "x .early ");
}

TEST_CASE("each record is there once, though the ids make rings") {
  CHECK(drawn({at(1, "self", "self")}) == "self ");
  CHECK(drawn({at(1, "a", "b"), at(2, "b", "a"), at(3, "c", "b")}) == "a .b ..c ");
}

TEST_CASE("a long chain of causes is no problem") {
  std::vector<traced_place> chain;
  for (int i = 0; i < 100'000; ++i) chain.push_back(at(i, std::to_string(i), std::to_string(i - 1)));
  CHECK(arrange(chain).back().depth == 99'999);
}
