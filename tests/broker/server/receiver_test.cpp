#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "broker/server/receiver.hpp"
#include "tests/effort.hpp"

namespace skald::server {

namespace {

using bytes = std::vector<std::byte>;
constexpr protocol::frame_limits limits{.frame_bytes_max = 4u << 20, .header_bytes_max = 1u << 16};

bytes make_frame(std::size_t payload, std::byte fill) {
  constexpr std::uint32_t header = 16;
  const auto length = static_cast<std::uint32_t>(4 + header + payload);
  bytes out(8 + header + payload, fill);
  std::memcpy(out.data(), &length, 4);
  std::memcpy(out.data() + 4, &header, 4);
  return out;
}

// Feeds `stream` in pieces and returns the frames found, each with its owner.
struct feeder {
  std::shared_ptr<block_pool> pool = std::make_shared<block_pool>(64u << 20, 256u << 10, 4u << 20);
  receiver::scratch scratch;
  receiver in;
  std::vector<std::pair<std::size_t, std::shared_ptr<const void>>> frames;
  result<> failed;

  bool feed(std::span<const std::byte> stream, const std::function<std::size_t()>& piece) {
    while (!stream.empty()) {
      const auto space = in.prepare(*pool, scratch);
      REQUIRE_FALSE(space.empty());
      const std::size_t count = std::min({piece(), space.size(), stream.size()});
      std::memcpy(space.data(), stream.data(), count);
      stream = stream.subspan(count);
      failed = in.received(count, limits, *pool, scratch,
                           [&](const protocol::frame_view& frame, const std::shared_ptr<const void>& owner) {
                             const auto odd = std::find_if(frame.payload.begin(), frame.payload.end(),
                                                           [&](std::byte b) { return b != frame.header[0]; });
                             REQUIRE(odd == frame.payload.end());
                             frames.emplace_back(frame.payload.size(), owner);
                           });
      if (!failed) return false;
    }
    return true;
  }
};

}  // namespace

TEST_CASE("frames of any size come out whole, however the bytes arrive") {
  std::mt19937 random(7);
  const std::vector<std::size_t> sizes = {0,       1,         100, 16'000,    70'000, 262'000,
                                          300'000, 1'500'000, 3,   3'900'000, 5};
  bytes stream;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const bytes frame = make_frame(sizes[i], static_cast<std::byte>(i + 1));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  const std::vector<std::function<std::size_t()>> ways = {
      [] { return std::size_t{10'000'000}; },
      // A sanitizer takes a second for every hundred of the small steps.
      [] { return std::size_t{tests::sanitized ? 9'973 : 997}; },
      [&] { return std::size_t{1} + random() % 400'000; }};
  for (const auto& way : ways) {
    feeder fed;
    REQUIRE(fed.feed(stream, way));
    REQUIRE(fed.frames.size() == sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(fed.frames[i].first == sizes[i]);
    CHECK_FALSE(fed.in.in_frame());
    fed.frames.clear();
    fed.scratch.reset();
    CHECK(fed.pool->used_bytes() == 0);
  }
}

TEST_CASE("a small frame holds no more memory than its bytes") {
  feeder fed;
  const bytes frame = make_frame(100, std::byte{1});
  REQUIRE(fed.feed(frame, [] { return std::size_t{10'000}; }));
  CHECK(fed.pool->used_bytes() ==
        fed.pool->standard_bytes() + frame.size());  // the shared scratch, and its own
}

TEST_CASE("announcing a large frame reserves little more than a megabyte until its bytes arrive") {
  feeder fed;
  const bytes frame = make_frame(3'900'000, std::byte{1});
  REQUIRE(fed.feed(std::span(frame).first(100), [] { return std::size_t{100}; }));
  CHECK(fed.in.in_frame());
  fed.scratch.reset();
  CHECK(fed.pool->used_bytes() <= (1u << 20) + (64u << 10));
}

TEST_CASE("a frame over the limit is refused when its lengths are known") {
  feeder fed;
  const bytes frame = make_frame(5u << 20, std::byte{1});
  CHECK_FALSE(fed.feed(std::span(frame).first(9), [] { return std::size_t{1}; }));
  CHECK(fed.failed.error().code == errc::frame_too_large);
}

TEST_CASE("lengths that contradict each other are refused") {
  feeder fed;
  bytes frame = make_frame(10, std::byte{1});
  const std::uint32_t longer_than_frame = 60'000;
  std::memcpy(frame.data() + 4, &longer_than_frame, 4);
  CHECK_FALSE(fed.feed(frame, [] { return std::size_t{100}; }));
  CHECK(fed.failed.error().code == errc::protocol_error);
}

}  // namespace skald::server
