#include "bench/curves/records.hpp"

#include <doctest/doctest.h>

#include <string>

namespace skald::bench::curves {
namespace {

std::string marked(std::size_t bytes) {
  std::string record(bytes, 'x');
  write_mark(record, {.publisher = 7, .sequence = std::uint64_t{1} << 40});
  return record;
}

TEST_CASE("a record says who published it and as which, also the smallest") {
  for (const std::size_t bytes : {mark_bytes, std::size_t{1000}})
    CHECK(read_mark(marked(bytes)) == mark{.publisher = 7, .sequence = std::uint64_t{1} << 40});
}

TEST_CASE("a record that was damaged anywhere says nothing") {
  const std::string good = marked(40);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    CHECK_FALSE(read_mark(bad));
  }
}

TEST_CASE("a record that was cut off says nothing") {
  const std::string good = marked(mark_bytes + 1);
  CHECK_FALSE(read_mark(std::string_view(good).substr(0, mark_bytes)));
  CHECK_FALSE(read_mark(std::string_view(good).substr(0, mark_bytes - 1)));
  CHECK_FALSE(read_mark(""));
}

}  // namespace
}  // namespace skald::bench::curves
