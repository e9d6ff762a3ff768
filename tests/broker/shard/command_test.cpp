#include "broker/shard/command.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "skald/protocol/error.hpp"

namespace skald::shard {

namespace {

const state::partition_key target{topic_id(3), partition_id(4)};
const timestamp some_time{std::chrono::milliseconds(1'700'000'000'123)};

append_command conditional_append() {
  append_command append{target, 2, 6, 7, some_time, some_time, std::nullopt, {}, -1};
  append.terms = std::make_shared<const append_terms>(
      append_terms{{{"a", false}, {std::string("b\0", 2), true}}, 0, "id"});
  return append;
}

append_command delayed_append() {
  append_command append{target, 1, 6, 7, some_time, some_time, std::nullopt, {}, -1};
  append.terms =
      std::make_shared<const append_terms>(append_terms{{}, {}, "", some_time, "owner", "name", 9});
  return append;
}

std::vector<command> one_of_each() {
  return {
      append_command{target, 5, 6, 7, some_time, some_time, producer_id(8), producer_epoch(9), 10},
      append_command{target, 5, 6, 7, some_time, some_time, std::nullopt, {}, -1},
      create_topic_command{"orders", {.partitions = 8, .retention_bytes = 1}, true, some_time, 100},
      alter_topic_command{topic_id(1), {.partitions = 9, .retention_ms = -1}, 100},
      delete_topic_command{topic_id(1)},
      init_producer_command{},
      init_producer_command{"feed", some_time, {}, 100},
      init_producer_command{"feed", some_time, state::producer_identity{producer_id(8), producer_epoch(9)},
                            100},
      trim_command{target, offset(1ull << 40)},
      expire_producers_command{some_time, {target, producer_id(1)}, {target, producer_id(2)}},
      commit_positions_command{{"billing", {{target, offset(7)}, {target, offset(8)}}}, some_time},
      delete_group_command{"billing"},
      relocated_command{{state::batch_key{target, offset(1)}}, 100, {journal::generation(7), 4096}},
      relocated_command{{state::timer_key{some_time, 5}}, 100, {journal::generation(7), 4096}},
      fire_command{{{some_time, 1}, {some_time, 2}}, some_time},
      compacted_command{{target, offset(1)}, 100, {journal::generation(7), 4096}, {0, 3, 9}, some_time},
      compacted_command{{target, offset(1)}, 0, {journal::generation(7), 4096}, {}, {}},
      expire_tombstones_command{target, some_time, {"a", std::string("b\0", 2)}},
      alter_topic_command{topic_id(1),
                          {.cleanup = topic_cleanup::compact, .compact_after_ms = 5, .keep_tombstones_ms = 6},
                          100},
      delayed_append(),
      conditional_append(),
      commit_command{
          {conditional_append(), conditional_append()}, some_time, producer_id(8), producer_epoch(9), 11},
      commit_command{{}, some_time, std::nullopt, {}, 0},
      commit_command{{},
                     some_time,
                     std::nullopt,
                     {},
                     0,
                     {},
                     {{timer_change::kind::cancel, {"owner", "name"}, {}, true},
                      {timer_change::kind::move, {"", std::string("n\0", 2)}, some_time, false}}},
      commit_command{
          {},
          some_time,
          producer_id(8),
          producer_epoch(9),
          12,
          {{queue_id(3), partition_id(1), offset(5), offset(7)}},
          {},
          {{"billing", {{target, offset(7)}}}, {"shipping", {{target, offset(8)}, {target, offset(9)}}}}},
      expire_committers_command{some_time, producer_id(1), producer_id(2)},
      expire_named_producers_command{some_time, producer_id(1), producer_id(2)},
  };
}

}  // namespace

TEST_CASE("every command reads back as it was written, wherever it lies in memory") {
  command_encoder encoder;
  for (const command& what : one_of_each()) {
    CAPTURE(what.index());
    const std::vector<std::byte> head = encoder.encode(what);
    CHECK(head.size() % 8 == 0);
    for (const std::size_t shift : {0u, 1u, 4u}) {
      std::vector<std::byte> moved(shift + head.size() + 100);  // a batch follows
      std::memcpy(moved.data() + shift, head.data(), head.size());
      const decoded_command decoded = decode_command(std::span(moved).subspan(shift));
      CHECK(decoded.head_bytes == head.size());
      CHECK(decoded.what.index() == what.index());
      CHECK(encoder.encode(decoded.what) == head);
    }
  }
}

TEST_CASE("a command with a million keys reads back") {
  append_terms terms;
  terms.keys.resize(1'100'000);
  append_command append;
  append.terms = std::make_shared<const append_terms>(std::move(terms));
  command_encoder encoder;
  const decoded_command decoded = decode_command(encoder.encode(append));
  CHECK(std::get<append_command>(decoded.what).terms->keys.size() == 1'100'000);
}

TEST_CASE("what is absent stays absent") {
  command_encoder encoder;
  const auto append = std::get<append_command>(decode_command(encoder.encode(one_of_each()[1])).what);
  CHECK_FALSE(append.producer);
  const auto alter = std::get<alter_topic_command>(decode_command(encoder.encode(one_of_each()[3])).what);
  CHECK(alter.changes.partitions == 9);
  CHECK(alter.changes.retention_ms == -1);
  CHECK_FALSE(alter.changes.bytes_max);
}

TEST_CASE("a damaged command is corrupt, never undefined") {
  command_encoder encoder;
  std::mt19937_64 random(3);
  for (const command& what : one_of_each()) {
    const std::vector<std::byte> head = encoder.encode(what);
    for (int i = 0; i < 3'000; ++i) {
      std::vector<std::byte> damaged(head.begin(),
                                     head.begin() + static_cast<long>(random() % (head.size() + 1)));
      if (damaged.size() == head.size()) damaged[random() % head.size()] ^= std::byte(1 + random() % 255);
      try {
        encoder.encode(decode_command(damaged).what);  // what verifies can be used
      } catch (const error& refused) {
        CHECK((refused.code() == errc::storage_corrupt || refused.code() == errc::unsupported_version));
      }
    }
  }
}

}  // namespace skald::shard
