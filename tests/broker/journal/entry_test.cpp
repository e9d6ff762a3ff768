#include "broker/journal/entry.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace skald::journal {

namespace {

journal_id some_id() {
  journal_id id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = std::byte(i);
  return id;
}

entry_header some_header() {
  return {0xdeadbeef, 77, entry_kind::local, 5, 6, 7, 8, 4};
}

}  // namespace

TEST_CASE("a segment header reads back, and no flipped bit of it goes unnoticed") {
  const segment_header written{format_version, 42, 1u << 20, some_id()};
  std::array<std::byte, segment_header_bytes> bytes;
  encode(written, bytes);

  segment_header read;
  CHECK(decode(bytes, read) == errc::ok);
  CHECK(read == written);

  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte(1u << (bit % 8));
    REQUIRE_MESSAGE(decode(bytes, read) == errc::storage_corrupt, "bit ", bit);
    bytes[bit / 8] ^= std::byte(1u << (bit % 8));
  }
}

TEST_CASE("a sound segment header of a newer format is told from a damaged one") {
  std::array<std::byte, segment_header_bytes> bytes;
  encode({format_version + 1, 42, 1u << 20, some_id()}, bytes);
  segment_header read;
  CHECK(decode(bytes, read) == errc::unsupported_version);
}

TEST_CASE("an entry header reads back, and no flipped bit of it goes unnoticed") {
  std::array<std::byte, entry_header_bytes> bytes;
  const std::uint32_t seed = checksum_seed(some_id());
  encode(some_header(), seed, bytes);
  CHECK(decode(bytes, seed) == some_header());
  CHECK(claimed_generation(bytes) == 5);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte(1u << (bit % 8));
    REQUIRE_MESSAGE(!decode(bytes, seed), "bit ", bit);
    bytes[bit / 8] ^= std::byte(1u << (bit % 8));
  }
}

TEST_CASE("an entry of one journal is none of another") {
  std::array<std::byte, entry_header_bytes> bytes;
  encode(some_header(), checksum_seed(some_id()), bytes);
  CHECK(!decode(bytes, checksum_seed(journal_id{})));
}

TEST_CASE("a kind of entry that does not exist is refused even with a sound checksum") {
  std::array<std::byte, entry_header_bytes> bytes;
  entry_header header = some_header();
  for (const int kind : {0, 4, 255}) {
    header.kind = entry_kind(kind);
    encode(header, 1, bytes);
    CHECK(!decode(bytes, 1));
  }
}

TEST_CASE("entries take whole multiples of eight bytes") {
  CHECK(stored_bytes(0) == 56);
  CHECK(stored_bytes(1) == 64);
  CHECK(stored_bytes(8) == 64);
  CHECK(stored_bytes(9) == 72);
}

}  // namespace skald::journal
