#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "client/src/receive_buffer.hpp"

using namespace skald;
using detail::frame_stream;
using detail::receive_pool;

namespace {

constexpr protocol::frame_limits limits{.frame_bytes_max = 8u << 20, .header_bytes_max = 1u << 16};

void put_u32(std::vector<std::byte>& bytes, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::byte>(value >> (8 * i)));
}

// A frame with a header of 16 bytes and a payload that repeats `mark`.
std::vector<std::byte> frame_of(std::size_t payload, std::uint8_t mark) {
  std::vector<std::byte> bytes;
  put_u32(bytes, static_cast<std::uint32_t>(4 + 16 + payload));
  put_u32(bytes, 16);
  bytes.resize(bytes.size() + 16 + payload, static_cast<std::byte>(mark));
  return bytes;
}

// Feeds `bytes` in reads of at most `chunk`, and returns the frames.
std::vector<frame_stream::frame> feed(frame_stream& stream, std::span<const std::byte> bytes,
                                      std::size_t chunk) {
  std::vector<frame_stream::frame> frames;
  while (!bytes.empty()) {
    const auto room = stream.prepare();
    REQUIRE(!room.empty());
    const auto count = std::min({room.size(), chunk, bytes.size()});
    std::memcpy(room.data(), bytes.data(), count);
    stream.commit(count);
    bytes = bytes.subspan(count);
    for (;;) {
      auto frame = stream.next();
      REQUIRE(frame.has_value());
      if (!*frame) break;
      frames.push_back(**std::move(frame));
    }
  }
  return frames;
}

bool is_all(std::span<const std::byte> bytes, std::uint8_t mark) {
  return std::ranges::all_of(bytes, [&](std::byte b) { return b == static_cast<std::byte>(mark); });
}

}  // namespace

TEST_SUITE("frame stream") {
  TEST_CASE("frames come out whole however the bytes arrive, and stay valid while they are kept") {
    std::vector<std::byte> bytes;
    std::vector<std::size_t> sizes{0, 1, 100, 70'000, 600'000, 3, 2'000'000, 512 * 1024, 17};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto frame = frame_of(sizes[i], static_cast<std::uint8_t>(i + 1));
      bytes.insert(bytes.end(), frame.begin(), frame.end());
    }
    for (const std::size_t chunk : {13u, 4'096u, 1'000'000u, 100'000'000u}) {
      CAPTURE(chunk);
      frame_stream stream(std::make_shared<receive_pool>(), limits);
      const auto frames = feed(stream, bytes, chunk);
      REQUIRE(frames.size() == sizes.size());
      for (std::size_t i = 0; i < frames.size(); ++i) {
        CHECK(frames[i].view.payload.size() == sizes[i]);
        CHECK(is_all(frames[i].view.payload, static_cast<std::uint8_t>(i + 1)));
      }
    }
  }

  TEST_CASE("a frame outlives its stream") {
    std::vector<frame_stream::frame> frames;
    {
      frame_stream stream(std::make_shared<receive_pool>(), limits);
      frames = feed(stream, frame_of(5'000, 7), 1'000);
    }
    REQUIRE(frames.size() == 1);
    CHECK(is_all(frames[0].view.payload, 7));
  }

  TEST_CASE("a frame over the limit is refused before it is received") {
    frame_stream stream(std::make_shared<receive_pool>(), limits);
    auto frame = frame_of(0, 0);
    frame[3] = std::byte{0x7f};
    const auto room = stream.prepare();
    std::memcpy(room.data(), frame.data(), frame.size());
    stream.commit(frame.size());
    const auto outcome = stream.next();
    REQUIRE(outcome.has_error());
    CHECK(outcome.error().code == errc::frame_too_large);
  }

  TEST_CASE("buffers return to the pool when the last user is gone") {
    const auto pool = std::make_shared<receive_pool>();
    const auto* first = [&] {
      const auto buffer = pool->take(1'000);
      return buffer->data.get();
    }();
    CHECK(pool->take(1'000)->data.get() == first);
    const auto kept = pool->take(1'000);
    CHECK(kept->data.get() == first);
    CHECK(pool->take(1'000)->data.get() != first);
  }

  TEST_CASE("after clear() the rest of an old connection is forgotten") {
    frame_stream stream(std::make_shared<receive_pool>(), limits);
    const auto frame = frame_of(100, 1);
    CHECK(feed(stream, std::span(frame).first(50), 50).empty());
    stream.clear();
    CHECK(feed(stream, frame, 1'000).size() == 1);
  }
}
