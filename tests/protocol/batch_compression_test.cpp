#include <doctest/doctest.h>
#include <lz4frame.h>
#include <zstd.h>

#include <random>
#include <string>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/record_batch.hpp>

#include "tests/protocol/batch_refusal.hpp"
#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::batch_around;
using test::batch_refusal;
using test::byte_string;

constexpr compression codecs[] = {compression::lz4, compression::zstd};

byte_string compressed(compression codec, std::span<const std::byte> content) {
  byte_string out(LZ4F_compressFrameBound(content.size(), nullptr) + ZSTD_compressBound(content.size()));
  out.resize(codec == compression::zstd
                 ? ZSTD_compress(out.data(), out.size(), content.data(), content.size(), 1)
                 : LZ4F_compressFrame(out.data(), out.size(), content.data(), content.size(), nullptr));
  return out;
}

// A zstd frame that, as a stream's, does not state how much it holds.
byte_string streamed_zstd(std::span<const std::byte> content) {
  byte_string out(ZSTD_compressBound(content.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return out;
}

byte_string with_compression(std::span<const std::byte> frame, compression codec, std::int32_t count = 1) {
  return batch_around(frame, count, static_cast<unsigned>(codec));
}

const byte_string one_record = test::bytes_of({12, 0, 0, 0, 1, 1, 0});

TEST_CASE("compressed batches are smaller and read back the same") {
  const byte_string plain = test::sample_batch(1000);
  batch_decoder plain_decoder, decoder;
  const auto expected = plain_decoder.check(*batch_view::parse(plain));
  REQUIRE(expected.has_value());
  for (const compression codec : codecs) {
    for (const int level : {0, 1, 9}) {
      const byte_string bytes = test::sample_batch(1000, {.compression = codec, .compression_level = level});
      CHECK(bytes.size() < plain.size() / 3);
      const auto batch = batch_view::parse(bytes);
      REQUIRE(batch.has_value());
      CHECK(batch->compression_code() == static_cast<std::uint8_t>(codec));
      const auto records = decoder.check(*batch);
      REQUIRE_MESSAGE(records.has_value(), records.error().message);
      REQUIRE(records->size() == 1000);
      auto other = expected->begin();
      for (const record_view& record : *records) {
        REQUIRE(record.key == other->key);
        REQUIRE(record.value == other->value);
        REQUIRE(record.timestamp == other->timestamp);
        REQUIRE(record.offset == other->offset);
        ++other;
      }
    }
  }
}

TEST_CASE("a batch that compression would enlarge is left as it is") {
  std::mt19937 random(7);
  std::string noise(500, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  for (const compression codec : codecs) {
    batch_builder builder;
    REQUIRE(builder.append("k", noise, {}, test::at_ms(1)) == errc::ok);
    const byte_string bytes = builder.finish({.compression = codec});
    CHECK(batch_view::parse(bytes)->compression_code() == 0);
    CHECK(batch_refusal(bytes).code == errc::ok);
  }
}

TEST_CASE("a builder keeps working after a compressed batch") {
  batch_builder builder;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(builder.append("k", std::string(1000, 'x'), {}, test::at_ms(round)) == errc::ok);
    CHECK(batch_refusal(builder.finish({.compression = compression::zstd})).code == errc::ok);
  }
}

TEST_CASE("frames of other encoders are read, stated content size or not") {
  CHECK(batch_refusal(with_compression(compressed(compression::lz4, one_record), compression::lz4)).code ==
        errc::ok);
  CHECK(batch_refusal(with_compression(compressed(compression::zstd, one_record), compression::zstd)).code ==
        errc::ok);
  CHECK(batch_refusal(with_compression(streamed_zstd(one_record), compression::zstd)).code == errc::ok);
}

TEST_CASE("what is not exactly one whole frame is corrupt") {
  for (const compression codec : codecs) {
    const byte_string frame = compressed(codec, one_record);
    for (std::size_t size = 0; size < frame.size(); ++size)
      REQUIRE(batch_refusal(with_compression(std::span(frame).first(size), codec)).code ==
              errc::corrupt_batch);
    byte_string trailing = frame;
    trailing.push_back(std::byte{0});
    CHECK(batch_refusal(with_compression(trailing, codec)).code == errc::corrupt_batch);
    CHECK(batch_refusal(with_compression(test::concatenated({frame, frame}), codec)).code ==
          errc::corrupt_batch);
    CHECK(batch_refusal(with_compression(one_record, codec)).code == errc::corrupt_batch);
  }
}

TEST_CASE("the uncompressed limit holds to the byte") {
  for (const compression codec : codecs) {
    const byte_string bytes = with_compression(compressed(codec, one_record), codec);
    CHECK(batch_refusal(bytes, {.uncompressed_bytes_max = one_record.size()}).code == errc::ok);
    CHECK(batch_refusal(bytes, {.uncompressed_bytes_max = one_record.size() - 1}).code ==
          errc::batch_too_large);
  }
}

TEST_CASE("a compression bomb is refused before it has grown past the limit") {
  const byte_string zeros(32 << 20);
  const batch_limits limits{.uncompressed_bytes_max = 1 << 20};
  for (const byte_string& bomb : {with_compression(compressed(compression::zstd, zeros), compression::zstd),
                                  with_compression(streamed_zstd(zeros), compression::zstd),
                                  with_compression(compressed(compression::lz4, zeros), compression::lz4)}) {
    CHECK(bomb.size() < zeros.size() / 200);
    CHECK(batch_refusal(bomb, limits).code == errc::batch_too_large);
  }
}

TEST_CASE("a zstd frame that demands a window larger than the limit is refused") {
  // A frame header that states no content size and a window of 128 MiB, then a last block of one raw byte.
  const byte_string frame = test::bytes_of({0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x09, 0x00, 0x00, 0x00});
  CHECK(batch_refusal(with_compression(frame, compression::zstd), {.uncompressed_bytes_max = 1 << 20}).code ==
        errc::batch_too_large);
}

TEST_CASE("records inside a compressed batch are checked like any others") {
  for (const compression codec : codecs) {
    const byte_string lying = compressed(codec, test::bytes_of({12, 0, 0, 0, 6, 1, 0}));
    CHECK(batch_refusal(with_compression(lying, codec)).message ==
          "record 1 of 1 in the batch: its key exceeds the record");
    CHECK(batch_refusal(with_compression(compressed(codec, one_record), codec, 2)).code ==
          errc::corrupt_batch);
    const byte_string one_byte_key = compressed(codec, test::bytes_of({14, 0, 0, 0, 2, 'k', 1, 0}));
    CHECK(batch_refusal(with_compression(one_byte_key, codec), {.record_bytes_max = 0}).code ==
          errc::record_too_large);
  }
}

TEST_CASE("a decoder works on after failures and after giving its memory back") {
  batch_decoder decoder;
  for (const compression codec : codecs) {
    const byte_string sound = test::sample_batch(20'000, {.compression = codec});
    byte_string broken = sound;
    broken[test::records_at + 20] ^= std::byte{0xff};
    test::seal(broken);
    for (int round = 0; round < 2; ++round) {
      CHECK_FALSE(decoder.check(*batch_view::parse(broken)).has_value());
      CHECK(decoder.check(*batch_view::parse(sound)).has_value());
      decoder.trim();
    }
  }
}

}  // namespace
}  // namespace skald::protocol
