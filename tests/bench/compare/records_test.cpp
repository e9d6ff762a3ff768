#include "bench/compare/records.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace skald::bench::compare {
namespace {

std::vector<std::string> some_records(std::uint64_t count, std::size_t bytes = 16) {
  record_source source(bytes);
  std::vector<std::string> all;
  for (std::uint64_t number = 0; number < count; ++number) all.emplace_back(source.make(number));
  return all;
}

std::string complaint_about(const std::vector<std::string>& came, std::uint64_t written) {
  record_check check;
  for (const std::string& each : came) check.saw(each);
  return check.complaint(written);
}

TEST_CASE("what comes as it was written is right, whatever its size") {
  for (const std::size_t bytes : {record_bytes_min, std::size_t{16}, std::size_t{1024}}) {
    const auto written = some_records(3000, bytes);
    CHECK(written.front().size() == bytes);
    CHECK(complaint_about(written, 3000) == "");
  }
}

TEST_CASE("a record that is missing, at the end or between others, is counted") {
  auto came = some_records(5);
  came.erase(came.begin() + 2);
  CHECK(complaint_about(came, 5) == "1 of 5 records missing, 0 repeated or out of order, 0 damaged");
  came = some_records(5);
  came.pop_back();
  CHECK(complaint_about(came, 5) == "1 of 5 records missing, 0 repeated or out of order, 0 damaged");
  CHECK(complaint_about({}, 2) == "2 of 2 records missing, 0 repeated or out of order, 0 damaged");
}

TEST_CASE("a record that comes twice is counted") {
  auto came = some_records(5);
  came.push_back(came[1]);
  CHECK(complaint_about(came, 5) == "0 of 5 records missing, 1 repeated or out of order, 0 damaged");
}

TEST_CASE("a flipped bit anywhere, and a record cut short, are damage") {
  for (std::size_t at = 0; at < 16; ++at) {
    CAPTURE(at);
    auto came = some_records(3);
    came[1][at] = static_cast<char>(came[1][at] ^ 1);
    CHECK(complaint_about(came, 3) == "1 of 3 records missing, 0 repeated or out of order, 1 damaged");
  }
  auto came = some_records(3);
  came[2].resize(8);
  CHECK(complaint_about(came, 3) == "1 of 3 records missing, 0 repeated or out of order, 1 damaged");
}

std::vector<std::uint64_t> numbers_of(const std::vector<std::string>& records) {
  std::vector<std::uint64_t> all;
  for (const std::string& each : records) all.push_back(number_of(each).value_or(damaged_record));
  return all;
}

TEST_CASE("those who share have everything between them, in whatever order") {
  auto written = some_records(5);
  std::swap(written[0], written[3]);
  const auto all = numbers_of(written);
  CHECK(complaint_about_shares({all}, 5, 0) == "");
  CHECK(complaint_about_shares({{all[0], all[4]}, {}, {all[2], all[1], all[3]}}, 5, 0) == "");
}

TEST_CASE("what one of them has twice, or two have, or nobody has, or what is damaged, is counted") {
  CHECK(complaint_about_shares({{0, 1, 1}, {2}}, 3, 0) ==
        "0 of 3 records missing, 1 repeated or out of order, 0 damaged");
  CHECK(complaint_about_shares({{0, 1}, {1, 2}}, 3, 0) ==
        "0 of 3 records missing, 1 repeated or out of order, 0 damaged");
  CHECK(complaint_about_shares({{0}, {2}}, 3, 0) ==
        "1 of 3 records missing, 0 repeated or out of order, 0 damaged");
  auto written = some_records(3);
  written[1].back() = static_cast<char>(written[1].back() ^ 1);
  CHECK(complaint_about_shares({numbers_of(written)}, 3, 0) ==
        "1 of 3 records missing, 0 repeated or out of order, 1 damaged");
}

TEST_CASE("what they left is not missing") {
  CHECK(complaint_about_shares({{0, 3}}, 5, 3) == "");
  CHECK(complaint_about_shares({{0, 3}}, 5, 2) ==
        "1 of 5 records missing, 0 repeated or out of order, 0 damaged");
}

}  // namespace
}  // namespace skald::bench::compare
