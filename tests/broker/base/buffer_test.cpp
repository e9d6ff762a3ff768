#include "broker/base/buffer.hpp"

#include <doctest/doctest.h>

#include <string_view>

#include "broker/base/clock.hpp"

namespace skald {

namespace {

struct counter final : buffer::release_listener {
  void released(std::size_t bytes) noexcept override { total += bytes; }
  std::size_t total = 0;
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE("a buffer is released with its last slice, and says how much it was") {
  counter budget;
  std::shared_ptr<buffer> owner = buffer::allocate(1000, &budget);
  CHECK(owner->capacity() == 1000);
  slice whole(owner, {owner->data(), 1000});
  slice part = whole.sub(10, 20);
  owner.reset();
  whole = {};
  CHECK(budget.total == 0);
  CHECK(part.size() == 20);
  part = {};
  CHECK(budget.total == 1000);
}

TEST_CASE("a copied slice is independent of what it was copied from") {
  std::string text = "skald";
  const slice copy = slice::copy_of(bytes_of(text));
  text = "-----";
  CHECK(std::equal(copy.bytes().begin(), copy.bytes().end(), bytes_of("skald").begin()));
  CHECK(slice::copy_of({}).empty());
}

TEST_CASE("the machine's wall clock is this century's") {
  CHECK(system_wall_clock().now() > timestamp(std::chrono::milliseconds(1'700'000'000'000)));
}

}  // namespace skald
