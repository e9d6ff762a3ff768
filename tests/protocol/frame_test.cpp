#include <doctest/doctest.h>

#include <skald/protocol/frame.hpp>
#include <string>

#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::byte_string;

void put_little_endian(byte_string& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * i));
}

// Both lengths, whether or not true, and then `following` bytes.
byte_string frame_of(std::uint32_t frame_length, std::uint32_t header_length, std::size_t following) {
  byte_string bytes(frame_prefix_bytes + following);
  put_little_endian(bytes, 0, frame_length);
  put_little_endian(bytes, 4, header_length);
  for (std::size_t i = frame_prefix_bytes; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

errc refusal(const byte_string& bytes, const frame_limits& limits = {}) {
  const auto progress = parse_frame(bytes, limits);
  return progress ? errc::ok : progress.error().code;
}

TEST_CASE("a frame is found once its last byte is there, and not before") {
  const byte_string bytes = frame_of(4 + 16 + 5, 16, 16 + 5);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto progress = parse_frame(std::span(bytes).first(size), {});
    REQUIRE(progress.has_value());
    REQUIRE_FALSE(progress->complete());
    REQUIRE(progress->missing_bytes ==
            (size < frame_prefix_bytes ? frame_prefix_bytes : bytes.size()) - size);
  }
  const auto progress = parse_frame(bytes, {});
  REQUIRE(progress.has_value());
  REQUIRE(progress->complete());
  CHECK(progress->frame.size() == bytes.size());
  CHECK(test::hex(progress->frame.header) == "08090a0b0c0d0e0f1011121314151617");
  CHECK(test::hex(progress->frame.payload) == "18191a1b1c");
}

TEST_CASE("bytes after a frame belong to the next one") {
  byte_string bytes = frame_of(4 + 16, 16, 16);
  const std::size_t first_bytes = bytes.size();
  bytes.resize(first_bytes + 100);
  const auto progress = parse_frame(bytes, {});
  REQUIRE(progress.has_value());
  CHECK(progress->frame.size() == first_bytes);
  CHECK(progress->frame.payload.empty());
}

TEST_CASE("an oversized frame is refused by its first eight bytes") {
  const frame_limits limits{.frame_bytes_max = 1000, .header_bytes_max = 500};
  CHECK(refusal(frame_of(1000, 500, 0), limits) == errc::ok);
  CHECK(refusal(frame_of(1001, 500, 0), limits) == errc::frame_too_large);
  CHECK(refusal(frame_of(1000, 501, 0), limits) == errc::frame_too_large);
  CHECK(refusal(frame_of(0xffffffff, 500, 0), limits) == errc::frame_too_large);
  CHECK(refusal(frame_of(16, 0xffffffff, 0), limits) == errc::protocol_error);
}

TEST_CASE("lengths that contradict each other are refused") {
  CHECK(refusal(frame_of(0, 0, 0)) == errc::protocol_error);
  CHECK(refusal(frame_of(3, 0, 0)) == errc::protocol_error);
  CHECK(refusal(frame_of(4, 0, 0)) == errc::protocol_error);
  CHECK(refusal(frame_of(4 + 15, 16, 0)) == errc::protocol_error);
  CHECK(refusal(frame_of(4 + 16, 11, 0)) == errc::protocol_error);
}

TEST_CASE("a web browser that calls by mistake is refused at once") {
  const auto request = test::as_bytes("GET / HTTP/1.1\r\n");
  CHECK(parse_frame(request, {}).error().code == errc::frame_too_large);
}

}  // namespace
}  // namespace skald::protocol
