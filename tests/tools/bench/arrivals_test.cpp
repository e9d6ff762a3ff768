#include "tools/bench/arrivals.hpp"

#include <doctest/doctest.h>

namespace skald::cli::bench {
namespace {

TEST_CASE("streams that come whole and in order have no discrepancies") {
  ordered_arrivals log(streams(2, 3));
  for (std::uint64_t i = 0; i < 10; ++i) {
    log.saw(0, 2, i);
    log.saw(1, 2, i);
  }
  CHECK(log.found().none());
  CHECK(log.behind(2, {0, 0, 10, 0, 0, 10}) == 0);
}

TEST_CASE("a gap is missing records, of the stream that has it") {
  ordered_arrivals log(streams(1, 2));
  log.saw(0, 0, 0);
  log.saw(0, 1, 0);
  log.saw(0, 0, 3);
  CHECK(log.found() == discrepancies{.missing = 2});
}

TEST_CASE("what comes late or twice is out of order") {
  ordered_arrivals log(streams(1, 1));
  for (const std::uint64_t sequence : {0, 1, 1, 0, 2}) log.saw(0, 0, sequence);
  CHECK(log.found() == discrepancies{.repeated = 2});
}

TEST_CASE("records after the last one that came are behind") {
  ordered_arrivals log(streams(2, 1));
  log.saw(0, 0, 0);
  CHECK(log.behind(0, {3, 1}) == 3);
  log.rewind();
  CHECK(log.behind(0, {3, 1}) == 4);
  CHECK(log.found().none());
}

TEST_CASE("a record of nobody in this run is damaged") {
  ordered_arrivals log(streams(1, 1));
  log.saw(1, 0, 0);
  log.saw_damaged();
  CHECK(log.found() == discrepancies{.damaged = 2});
  unordered_arrivals queue(streams(1, 1));
  queue.saw(0, 1, 0);
  CHECK(queue.against({0}) == discrepancies{.damaged = 1});
}

TEST_CASE("consumers of a queue have all records between them, in any order") {
  unordered_arrivals one(streams(1, 1));
  unordered_arrivals other(streams(1, 1));
  for (std::uint64_t i = 0; i < 200; ++i) (i % 3 == 0 ? one : other).saw(0, 0, 199 - i);
  one.merge(other);
  CHECK(one.against({200}).none());
  CHECK(one.against({203}) == discrepancies{.missing = 3});
}

TEST_CASE("a record that came to two consumers, or twice to one, was repeated") {
  unordered_arrivals one(streams(1, 1));
  unordered_arrivals other(streams(1, 1));
  one.saw(0, 0, 0);
  one.saw(0, 0, 0);
  one.saw(0, 0, 100);
  other.saw(0, 0, 100);
  one.merge(other);
  CHECK(one.against({101}) == discrepancies{.missing = 99, .repeated = 2});
}

TEST_CASE("discrepancies are told in words") {
  CHECK(discrepancies{}.text() == "none missing, none repeated or out of order, none damaged");
  CHECK(discrepancies{.missing = 1234, .damaged = 1}.text() ==
        "1,234 missing, none repeated or out of order, 1 damaged");
}

}  // namespace
}  // namespace skald::cli::bench
