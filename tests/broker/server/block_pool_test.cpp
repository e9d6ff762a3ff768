#include <doctest/doctest.h>

#include "broker/server/block_pool.hpp"

namespace skald::server {

TEST_CASE("the budget counts blocks while anyone holds them, and tells once there is room") {
  const auto pool = std::make_shared<block_pool>(1000, 100, 1000);
  int told = 0;
  pool->on_room([&] { ++told; });
  auto first = pool->take(600);
  CHECK(pool->has_room());
  auto second = pool->take(500);
  CHECK(pool->used_bytes() == 1100);
  CHECK_FALSE(pool->has_room());
  CHECK(pool->has_room_to_finish());
  const auto also = second;
  second.reset();
  CHECK(told == 0);
  first.reset();
  CHECK(told == 1);
  CHECK(pool->has_room());
  auto third = pool->take(10);
  third.reset();
  CHECK(told == 1);  // nobody had been refused since
}

TEST_CASE("blocks of the standard size are handed out again, the last first") {
  const auto pool = std::make_shared<block_pool>(1000, 100, 200);
  auto a = pool->take(100);
  auto b = pool->take(60);  // nearly standard
  CHECK(b->capacity() == 100);
  const auto* last = b->data();
  a.reset();
  b.reset();
  CHECK(pool->take(100)->data() == last);
  CHECK(pool->used_bytes() == 0);
}

TEST_CASE("a block may outlive everyone else's interest in its pool") {
  auto pool = std::make_shared<block_pool>(1000, 100, 200);
  const auto block = pool->take(100);
  pool.reset();
  block->data()[0] = std::byte{1};
  CHECK(block->capacity() == 100);
}

}  // namespace skald::server
