#include <doctest/doctest.h>

#include <skald/protocol/crc32c.hpp>

#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::as_bytes;
using test::byte_string;

TEST_CASE("crc32c gives the published check value") {
  CHECK(crc32c(as_bytes("123456789")) == 0xe3069283);
}

TEST_CASE("crc32c gives the values of RFC 3720, appendix B.4") {
  byte_string ascending(32), descending(32);
  for (unsigned i = 0; i < 32; ++i) {
    ascending[i] = static_cast<std::byte>(i);
    descending[31 - i] = static_cast<std::byte>(i);
  }
  CHECK(crc32c(byte_string(32, std::byte{0x00})) == 0x8a9136aa);
  CHECK(crc32c(byte_string(32, std::byte{0xff})) == 0x62a8ab43);
  CHECK(crc32c(ascending) == 0x46dd794e);
  CHECK(crc32c(descending) == 0x113fdb5c);

  const byte_string scsi_read_command = test::bytes_of(
      {0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
       0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
       0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00});
  CHECK(crc32c(scsi_read_command) == 0xd9963a56);
}

TEST_CASE("crc32c of nothing is 0, and the seed when continued") {
  CHECK(crc32c({}) == 0);
  CHECK(crc32c({}, 0xe3069283) == 0xe3069283);
}

TEST_CASE("crc32c continues from a checksum at every split") {
  byte_string data(300);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 37);
  const auto whole = std::span<const std::byte>(data);
  const std::uint32_t expected = crc32c(whole);
  for (std::size_t split = 0; split <= data.size(); ++split)
    REQUIRE(crc32c(whole.subspan(split), crc32c(whole.first(split))) == expected);
}

}  // namespace
}  // namespace skald::protocol
