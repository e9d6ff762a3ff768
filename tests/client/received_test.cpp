#include "client/src/received.hpp"

#include <doctest/doctest.h>

#include <array>
#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/error.hpp>

using namespace skald;
using detail::received_batches;

namespace {

timestamp at(std::int64_t ms) {
  return timestamp(std::chrono::milliseconds(ms));
}

// A batch whose records have the values "<base>", "<base + 1>", ...
std::vector<std::byte> batch(std::uint64_t base, std::uint64_t count, compression how = compression::none) {
  protocol::batch_builder builder;
  const std::array headers{header{"h", "x"}, header{"n", std::nullopt}};
  for (std::uint64_t i = 0; i < count; ++i)
    REQUIRE(builder.append("key", std::to_string(base + i) + std::string(50, '.'), headers, at(1'000)) ==
            errc::ok);
  auto bytes = builder.finish({.compression = how});
  protocol::patch_base_offset(bytes, offset(base), 0);
  return bytes;
}

result<std::shared_ptr<received_batches>> receive(const std::vector<std::vector<std::byte>>& batches,
                                                  std::uint64_t wanted = 0,
                                                  const std::vector<offset>& offsets = {},
                                                  std::optional<offset> next = {}) {
  auto joined = std::make_shared<std::vector<std::byte>>();
  for (const auto& one : batches) joined->insert(joined->end(), one.begin(), one.end());
  return received_batches::create({std::make_shared<const std::string>("orders"), partition_id(3),
                                   offset(wanted), offset(100), offset(0), std::nullopt, offsets, next},
                                  *joined, joined, std::make_shared<detail::decoder_pool>());
}

records records_of(const std::vector<std::vector<std::byte>>& batches, std::uint64_t wanted = 0) {
  auto received = receive(batches, wanted).value();
  REQUIRE(received->verify());
  return records(received);
}

std::vector<std::uint64_t> offsets_of(const records& all) {
  std::vector<std::uint64_t> offsets;
  for (const record& r : all) {
    offsets.push_back(r.offset().value());
    CHECK(*r.value() == std::to_string(r.offset().value()) + std::string(50, '.'));
  }
  return offsets;
}

}  // namespace

TEST_SUITE("received records") {
  TEST_CASE("all records of all batches, compressed or not, in order") {
    const auto all =
        records_of({batch(0, 3), batch(3, 2, compression::lz4), batch(5, 1, compression::zstd), batch(6, 1)});
    CHECK(offsets_of(all) == std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6});
    CHECK(all.size() == 7);
    CHECK(all.end_offset() == offset(7));
    CHECK(all.lag() == 93);
    CHECK(all.topic() == "orders");
    CHECK(all.partition() == partition_id(3));
    SUBCASE("and again") {
      CHECK(offsets_of(all).size() == 7);
    }
  }

  TEST_CASE("records before the wanted offset are dropped") {
    const auto all = records_of({batch(10, 5), batch(15, 3, compression::lz4)}, 12);
    CHECK(offsets_of(all) == std::vector<std::uint64_t>{12, 13, 14, 15, 16, 17});
    CHECK(all.size() == 6);
    CHECK(offsets_of(records_of({batch(10, 5), batch(15, 3, compression::lz4)}, 16)) ==
          std::vector<std::uint64_t>{16, 17});
    CHECK(records_of({batch(10, 5)}, 15).empty());
  }

  TEST_CASE("selected records have the offsets that came with them, whatever their batches say") {
    const auto selected = [](const std::vector<std::vector<std::byte>>& batches,
                             std::vector<std::uint64_t> offsets, std::uint64_t wanted = 0) {
      std::vector<offset> numbers;
      for (const auto at : offsets) numbers.emplace_back(at);
      return receive(batches, wanted, numbers, offset(60));
    };
    const std::vector<std::vector<std::byte>> batches{batch(7, 2), batch(0, 1, compression::zstd),
                                                      batch(0, 2)};
    const auto numbers_of = [](const records& all) {
      std::vector<std::uint64_t> numbers;
      for (const record& r : all) numbers.push_back(r.offset().value());
      return numbers;
    };
    auto received = selected(batches, {10, 20, 30, 40, 50}).value();
    REQUIRE(received->verify());
    const records all(received);
    CHECK(numbers_of(all) == std::vector<std::uint64_t>{10, 20, 30, 40, 50});
    CHECK(all.size() == 5);
    CHECK(all.end_offset() == offset(60));
    CHECK(all.lag() == 40);
    auto later = selected(batches, {10, 20, 30, 40, 50}, 25).value();
    REQUIRE(later->verify());
    CHECK(numbers_of(records(later)) == std::vector<std::uint64_t>{30, 40, 50});
    CHECK(records(later).size() == 3);
    for (const auto& wrong :
         {std::vector<std::uint64_t>{10, 20, 30, 40}, std::vector<std::uint64_t>{10, 20, 30, 40, 50, 51}}) {
      const auto refused = selected(batches, wrong);
      REQUIRE(!refused);
      CHECK(refused.error().code == errc::corrupt_batch);
    }
  }

  TEST_CASE("batches that compaction has left records out of, and gaps between batches") {
    const auto sparse = [](std::uint64_t base, const std::vector<std::uint32_t>& deltas, compression how) {
      protocol::batch_decoder decoder;
      protocol::batch_builder builder;
      for (const auto delta : deltas) {
        const auto whole = batch(base + delta, 1);
        const auto records = decoder.check(*protocol::batch_view::parse(whole)).value();
        REQUIRE(builder.append_encoded(records.begin().content(), at(1'000), delta) == errc::ok);
      }
      auto bytes = builder.finish({.compression = how, .last_offset_delta = 9});
      protocol::patch_base_offset(bytes, offset(base), 0);
      return bytes;
    };
    for (const auto how : {compression::none, compression::lz4}) {
      const std::vector<std::vector<std::byte>> batches{sparse(10, {1, 4, 8}, how), sparse(40, {0, 9}, how)};
      const auto all = records_of(batches);
      CHECK(offsets_of(all) == std::vector<std::uint64_t>{11, 14, 18, 40, 49});
      CHECK(all.size() == 5);
      CHECK(all.end_offset() == offset(50));
      const auto later = records_of(batches, 14);
      CHECK(offsets_of(later) == std::vector<std::uint64_t>{14, 18, 40, 49});
      CHECK(later.size() == 4);
      const auto behind = records_of({batches.front()}, 19);
      CHECK(behind.empty());
      CHECK(behind.end_offset() == offset(20));
    }
  }

  TEST_CASE("a copied record outlives everything it came from") {
    std::vector<record> kept;
    for (const auto how : {compression::none, compression::zstd})
      for (const record& r : records_of({batch(0, 3, how), batch(3, 3, how)})) kept.push_back(r);
    REQUIRE(kept.size() == 12);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      CHECK(*kept[i].value() == std::to_string(i % 6) + std::string(50, '.'));
      CHECK(kept[i].topic() == "orders");
    }
  }

  TEST_CASE("a detached record is equal and does not pin the buffer") {
    auto bytes = std::make_shared<std::vector<std::byte>>(batch(7, 2));
    const std::weak_ptr<std::vector<std::byte>> watch = bytes;
    record kept;
    {
      auto received = received_batches::create({std::make_shared<const std::string>("orders"),
                                                partition_id(3), offset(0), offset(9), offset(0)},
                                               *bytes, bytes, nullptr)
                          .value();
      bytes.reset();
      REQUIRE(received->verify());
      const records all(received);
      kept = (++all.begin())->detach();
    }
    CHECK(watch.expired());
    CHECK(kept.offset() == offset(8));
    CHECK(kept.key() == "key");
    CHECK(*kept.value() == "8" + std::string(50, '.'));
    CHECK(kept.time() == at(1'000));
    CHECK(kept.partition() == partition_id(3));
    CHECK(kept.topic() == "orders");
    CHECK(std::vector<header>(kept.headers().begin(), kept.headers().end()) ==
          std::vector<header>{{"h", "x"}, {"n", std::nullopt}});
  }

  TEST_CASE("a flipped bit is found, and the error says where") {
    for (const auto how : {compression::none, compression::lz4}) {
      auto second = batch(5, 2, how);
      second.back() ^= std::byte{1};
      auto received = receive({batch(0, 5), second}).value();
      const auto verified = received->verify();
      REQUIRE(!verified);
      CHECK(verified.error().code == errc::corrupt_batch);
      CHECK(verified.error().message.find("offset 5 of topic \"orders\" partition 3") != std::string::npos);
    }
  }

  TEST_CASE("a payload that is no batches is refused") {
    auto cut = batch(0, 5);
    cut.pop_back();
    const auto received = receive({cut});
    REQUIRE(!received);
    CHECK(received.error().code == errc::corrupt_batch);
  }

  TEST_CASE("no records: nothing to iterate over") {
    CHECK(records().begin() == records().end());
    CHECK(records().empty());
    CHECK(records_of({}).empty());
  }
}
