#include "tools/bench/payload.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

namespace skald::cli::bench {
namespace {

std::string_view view(const payload& of) {
  return {of.record.data(), of.record.size()};
}

std::string_view line_of(const payload& of) {
  return view(of).substr(0, of.record.size() - stamp_bytes);
}

TEST_CASE("a stamp is read back from its record") {
  payload_pool pool = payload_pool::generated(100, 100, content::random);
  const payload record = pool.next();
  const stamp is{.producer = 3, .sequence = 1'000'000'007, .due_ns = 42};
  write_stamp(record, is);
  CHECK(read_stamp(view(record)) == is);
}

TEST_CASE("every flipped bit and every cut is noticed") {
  payload_pool pool = payload_pool::generated(40, 40, content::text);
  const payload one = pool.next();
  write_stamp(one, {.producer = 1, .sequence = 2, .due_ns = 3});
  for (std::size_t at = 0; at < one.record.size(); ++at) {
    one.record[at] = static_cast<char>(one.record[at] ^ 1);
    CHECK_FALSE(read_stamp(view(one)));
    one.record[at] = static_cast<char>(one.record[at] ^ 1);
  }
  for (std::size_t size = 0; size < one.record.size(); ++size)
    CHECK_FALSE(read_stamp(view(one).substr(0, size)));
}

TEST_CASE("a stamp fits a record of its own size") {
  payload_pool pool = payload_pool::generated(stamp_bytes, stamp_bytes, content::random);
  const payload record = pool.next();
  write_stamp(record, {});
  CHECK(read_stamp(view(record)) == stamp{});
}

TEST_CASE("records of one size are of that size, and their content differs") {
  payload_pool pool = payload_pool::generated(64, 64, content::random);
  std::set<std::string> different;
  for (int i = 0; i < 1000; ++i) different.emplace(view(pool.next()));
  CHECK(different.size() == 1000);
  CHECK(pool.mean_bytes() == 64);
  CHECK(pool.bytes_max() == 64);
}

TEST_CASE("sizes of a range are between its ends, and evenly distributed") {
  const payload_pool pool = payload_pool::generated(100, 300, content::text);
  payload_pool walk = pool;
  for (std::size_t i = 0; i < pool.records(); ++i) {
    const std::size_t size = walk.next().record.size();
    CHECK((size >= 100 && size <= 300));
  }
  CHECK(pool.mean_bytes() == doctest::Approx(200).epsilon(0.02));
}

TEST_CASE("stamping does not change the record beside it") {
  payload_pool pool = payload_pool::generated(50, 50, content::random);
  const payload first = pool.next();
  const payload second = pool.next();
  write_stamp(first, {.sequence = 1});
  write_stamp(second, {.sequence = 2});
  CHECK(read_stamp(view(first))->sequence == 1);
}

TEST_CASE("real records are the lines of a file before their stamps, in turn") {
  payload_pool pool = *payload_pool::of_lines("one\n\nthree");
  CHECK(pool.records() == 3);
  CHECK(line_of(pool.next()) == "one");
  CHECK(line_of(pool.next()) == "");
  CHECK(line_of(pool.next()) == "three");
  CHECK(line_of(pool.next()) == "one");
  CHECK(payload_pool::of_lines("a\nb\n")->records() == 2);
  CHECK_FALSE(payload_pool::of_lines("").has_value());
}

}  // namespace
}  // namespace skald::cli::bench
