#include <doctest/doctest.h>

#include <limits>
#include <utility>

#include <skald/protocol/varint.hpp>

#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::byte_string;
using test::bytes_of;

constexpr auto int_min = std::numeric_limits<std::int32_t>::min();
constexpr auto int_max = std::numeric_limits<std::int32_t>::max();
constexpr auto long_min = std::numeric_limits<std::int64_t>::min();
constexpr auto long_max = std::numeric_limits<std::int64_t>::max();

byte_string encoded(std::int32_t value) {
  byte_string out(varint_bytes_max);
  out.resize(static_cast<std::size_t>(write_varint(out.data(), value) - out.data()));
  return out;
}

byte_string encoded_long(std::int64_t value) {
  byte_string out(varlong_bytes_max);
  out.resize(static_cast<std::size_t>(write_varlong(out.data(), value) - out.data()));
  return out;
}

void check_varint(std::int32_t value, const byte_string& expected) {
  CAPTURE(value);
  CHECK(encoded(value) == expected);
  CHECK(varint_size(value) == expected.size());
  std::int32_t decoded = 0;
  const std::byte* end = expected.data() + expected.size();
  CHECK(read_varint(expected.data(), end, decoded) == end);
  CHECK(decoded == value);
}

void check_varlong(std::int64_t value, const byte_string& expected) {
  CAPTURE(value);
  CHECK(encoded_long(value) == expected);
  CHECK(varlong_size(value) == expected.size());
  std::int64_t decoded = 0;
  const std::byte* end = expected.data() + expected.size();
  CHECK(read_varlong(expected.data(), end, decoded) == end);
  CHECK(decoded == value);
}

bool reads_varint(const byte_string& bytes) {
  std::int32_t value = 42;
  const bool read = read_varint(bytes.data(), bytes.data() + bytes.size(), value) != nullptr;
  if (!read) CHECK(value == 42);
  return read;
}

bool reads_varlong(const byte_string& bytes) {
  std::int64_t value = 42;
  const bool read = read_varlong(bytes.data(), bytes.data() + bytes.size(), value) != nullptr;
  if (!read) CHECK(value == 42);
  return read;
}

TEST_CASE("varints are encoded as Kafka publishes them") {
  check_varint(0, bytes_of({0x00}));
  check_varint(-1, bytes_of({0x01}));
  check_varint(1, bytes_of({0x02}));
  check_varint(63, bytes_of({0x7e}));
  check_varint(-64, bytes_of({0x7f}));
  check_varint(64, bytes_of({0x80, 0x01}));
  check_varint(-65, bytes_of({0x81, 0x01}));
  check_varint(8191, bytes_of({0xfe, 0x7f}));
  check_varint(-8192, bytes_of({0xff, 0x7f}));
  check_varint(8192, bytes_of({0x80, 0x80, 0x01}));
  check_varint(-8193, bytes_of({0x81, 0x80, 0x01}));
  check_varint(1048575, bytes_of({0xfe, 0xff, 0x7f}));
  check_varint(-1048576, bytes_of({0xff, 0xff, 0x7f}));
  check_varint(1048576, bytes_of({0x80, 0x80, 0x80, 0x01}));
  check_varint(-1048577, bytes_of({0x81, 0x80, 0x80, 0x01}));
  check_varint(134217727, bytes_of({0xfe, 0xff, 0xff, 0x7f}));
  check_varint(-134217728, bytes_of({0xff, 0xff, 0xff, 0x7f}));
  check_varint(134217728, bytes_of({0x80, 0x80, 0x80, 0x80, 0x01}));
  check_varint(-134217729, bytes_of({0x81, 0x80, 0x80, 0x80, 0x01}));
  check_varint(int_max, bytes_of({0xfe, 0xff, 0xff, 0xff, 0x0f}));
  check_varint(int_min, bytes_of({0xff, 0xff, 0xff, 0xff, 0x0f}));
}

TEST_CASE("varlongs are encoded as Kafka publishes them") {
  check_varlong(0, bytes_of({0x00}));
  check_varlong(-1, bytes_of({0x01}));
  check_varlong(64, bytes_of({0x80, 0x01}));
  check_varlong(-8193, bytes_of({0x81, 0x80, 0x01}));
  check_varlong(int_max, bytes_of({0xfe, 0xff, 0xff, 0xff, 0x0f}));
  check_varlong(int_min, bytes_of({0xff, 0xff, 0xff, 0xff, 0x0f}));
  check_varlong(17179869183, bytes_of({0xfe, 0xff, 0xff, 0xff, 0x7f}));
  check_varlong(-17179869184, bytes_of({0xff, 0xff, 0xff, 0xff, 0x7f}));
  check_varlong(17179869184, bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x01}));
  check_varlong(2199023255551, bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0x7f}));
  check_varlong(-2199023255553, bytes_of({0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}));
  check_varlong(281474976710655, bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}));
  check_varlong(36028797018963967, bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}));
  check_varlong(4611686018427387903, bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}));
  check_varlong(-4611686018427387905, bytes_of({0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}));
  check_varlong(long_max, bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
  check_varlong(long_min, bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
}

TEST_CASE("a number whose bytes end too early is not read") {
  CHECK_FALSE(reads_varint({}));
  CHECK_FALSE(reads_varint(bytes_of({0x80})));
  CHECK_FALSE(reads_varint(bytes_of({0xff, 0xff, 0xff, 0xff})));
  CHECK_FALSE(reads_varlong({}));
  CHECK_FALSE(reads_varlong(bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})));
}

TEST_CASE("a number of more bits than its type is not read") {
  CHECK_FALSE(reads_varint(bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0x01})));
  CHECK_FALSE(reads_varint(bytes_of({0xff, 0xff, 0xff, 0xff, 0x1f})));
  CHECK_FALSE(reads_varlong(bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})));
  CHECK_FALSE(reads_varlong(bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})));
}

TEST_CASE("an encoding longer than needed is read") {
  std::int32_t value = -1;
  const byte_string padded = bytes_of({0x84, 0x80, 0x00});
  CHECK(read_varint(padded.data(), padded.data() + padded.size(), value) == padded.data() + 3);
  CHECK(value == 2);
}

}  // namespace
}  // namespace skald::protocol
