#include "bench/compare/load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace skald::bench::compare {
namespace {

// Keeps what it is given.
class notebook final : public writer {
 public:
  void write(std::string_view record) override { records.emplace_back(record); }
  void finish() override { finished_after = records.size(); }

  std::vector<std::string> records;
  std::size_t finished_after = 0;
};

TEST_CASE("a crew works until it is told to stop") {
  std::atomic<int> steps = 0;
  crew three;
  for (int i = 0; i < 3; ++i) three.repeat([&] { return ++steps, true; });
  CHECK(wait_until_seen(1000, [&] { return static_cast<std::uint64_t>(steps); }, [] {}));
  three.stop();
  three.join();
}

TEST_CASE("one of a crew may be done before the others") {
  crew two;
  std::atomic<int> steps = 0;
  two.repeat([&] { return ++steps < 3; });
  two.join();
  CHECK(steps == 3);
}

TEST_CASE("the first failure of a crew ends all of it, and is told to whoever asks") {
  crew two;
  two.repeat([] { return true; });
  two.repeat([]() -> bool { throw std::runtime_error("no more"); });
  CHECK_THROWS_WITH(two.join(), "no more");
  CHECK_THROWS_WITH(two.check(), "no more");
}

TEST_CASE("writing ends with the bytes that may be written, and waits for the acknowledgements") {
  notebook out;
  const task how{.record_bytes = 100, .time = milliseconds(60'000), .bytes_max = 1'000};
  std::uint64_t asked = 0;
  CHECK(write_for(out, how, [&](std::uint64_t) { ++asked; }) == 10);
  CHECK(asked > 0);
  CHECK(out.finished_after == 10);
  record_check check;
  for (const std::string& each : out.records) check.saw(each);
  CHECK(check.complaint(10) == "");
}

}  // namespace
}  // namespace skald::bench::compare
