#include <doctest/doctest.h>

#include <array>
#include <string>

#include "broker/server/out_queue.hpp"

namespace skald::server {

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string drain(out_queue& queue, std::size_t step) {
  std::string all;
  while (!queue.empty()) {
    std::array<iovec, 3> parts{};
    const std::size_t count = queue.gather(parts);
    std::string seen;
    for (std::size_t i = 0; i < count; ++i)
      seen.append(static_cast<char*>(parts[i].iov_base), parts[i].iov_len);
    const std::size_t taken = std::min(step, seen.size());
    all += seen.substr(0, taken);
    queue.consume(taken);
  }
  return all;
}

}  // namespace

TEST_CASE("bytes leave in the order they came, however they are taken") {
  for (const std::size_t step : {1u, 3u, 7u, 100'000u}) {
    out_queue queue;
    std::string expected;
    for (int i = 0; i < 200; ++i) {
      const std::string small = "front" + std::to_string(i);
      const std::string large(static_cast<std::size_t>(i * 37 % 5000), static_cast<char>('a' + i % 26));
      queue.add_copy(bytes_of(small));
      queue.add(slice::copy_of(bytes_of(large)));
      expected += small + large;
    }
    CHECK(queue.bytes() == expected.size());
    CHECK(drain(queue, step) == expected);
    CHECK(queue.bytes() == 0);
  }
}

TEST_CASE("small copies in a row become one part") {
  out_queue queue;
  for (int i = 0; i < 10; ++i) queue.add_copy(bytes_of("12345"));
  std::array<iovec, 4> parts{};
  CHECK(queue.gather(parts) == 1);
  CHECK(parts[0].iov_len == 50);
}

}  // namespace skald::server
