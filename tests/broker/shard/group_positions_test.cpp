// Committed positions of consumer groups: all or nothing, durable, and gone with their topic.
#include <doctest/doctest.h>

#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using std::chrono::seconds;

struct positions_scene : scene {
  using partition_ref = shard::partition_ref;

  failure commit(const std::string& group, const std::vector<std::pair<partition_ref, std::uint64_t>>& at) {
    std::vector<shard::position> positions;
    for (const auto& [of, next] : at) positions.push_back({of, offset(next), {}});
    std::optional<failure> outcome;
    shard_->commit_positions(group, positions, [&](failure why) { outcome = std::move(why); });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  failure forget(const std::string& group) {
    std::optional<failure> outcome;
    shard_->delete_positions(group, [&](failure why) { outcome = std::move(why); });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  partition_ref of(const std::string& topic, std::uint32_t partition) {
    return {shard_->find_topic(topic)->id, partition_id(partition)};
  }
  std::uint64_t position(const std::string& group, partition_ref of) {
    return shard_->group_position(group, of).value_or(offset(999)).value();
  }
};

}  // namespace

TEST_CASE("positions are kept by group and partition, across a crash before and after a flush") {
  positions_scene s;
  REQUIRE_FALSE(s.create("t", {.partitions = 2}));
  for (int i = 0; i < 5; ++i) s.append("t", 0, "x");
  REQUIRE_FALSE(s.commit("billing", {{s.of("t", 0), 3}, {s.of("t", 1), 0}}));
  REQUIRE_FALSE(s.commit("audit", {{s.of("t", 0), 1}}));
  CHECK(s.position("billing", s.of("t", 0)) == 3);
  CHECK(s.position("audit", s.of("t", 0)) == 1);
  CHECK(s.shard_->groups("", 10) == std::vector<std::string>{"audit", "billing"});
  CHECK(s.shard_->groups("audit", 10) == std::vector<std::string>{"billing"});
  CHECK(s.shard_->groups("", 1) == std::vector<std::string>{"audit"});
  s.crash();
  CHECK(s.position("billing", s.of("t", 0)) == 3);
  s.pass(seconds(61));
  CHECK(s.store.of(state::table_id::group_positions).size() == 3);
  s.crash();
  CHECK(s.position("billing", s.of("t", 0)) == 3);
  CHECK(s.shard_->group_positions("billing", {}, 10).size() == 2);
  CHECK(s.shard_->group_positions("billing", s.of("t", 1), 10).size() == 1);
}

TEST_CASE("a commit is all or nothing: one position past the end and none is taken") {
  positions_scene s;
  REQUIRE_FALSE(s.create("t", {.partitions = 2}));
  s.append("t", 0, "x");
  const failure past = s.commit("billing", {{s.of("t", 0), 1}, {s.of("t", 1), 1}});
  CHECK(past.code == errc::offset_out_of_range);
  CHECK(past.message.find("partition 1") != std::string::npos);
  CHECK(s.commit("billing", {{s.of("t", 0), 1}, {{s.of("t", 0).topic, partition_id(7)}, 0}}).code ==
        errc::unknown_partition);
  CHECK(s.commit("billing", {{{topic_id(99), partition_id(0)}, 0}}).code == errc::unknown_topic);
  CHECK(s.position("billing", s.of("t", 0)) == 999);
  REQUIRE_FALSE(s.commit("billing", {{s.of("t", 0), 1}}));  // the end itself is fine
  REQUIRE_FALSE(s.commit("billing", {{s.of("t", 0), 0}}));  // and so is going back
  CHECK(s.position("billing", s.of("t", 0)) == 0);
}

TEST_CASE("a deleted group is gone, and the others are not") {
  positions_scene s;
  REQUIRE_FALSE(s.create("t"));
  REQUIRE_FALSE(s.commit("a", {{s.of("t", 0), 0}}));
  REQUIRE_FALSE(s.commit("ab", {{s.of("t", 0), 0}}));
  REQUIRE_FALSE(s.forget("a"));
  CHECK(s.forget("a").code == errc::unknown_group);
  CHECK(s.shard_->groups("", 10) == std::vector<std::string>{"ab"});
}

TEST_CASE("positions of a deleted topic are invisible at once, and cleared away in slices") {
  positions_scene s;
  REQUIRE_FALSE(s.create("gone", {.partitions = 3}));
  REQUIRE_FALSE(s.create("kept"));
  for (int i = 0; i < 700; ++i) {
    const std::string group = "g" + std::to_string(i);
    REQUIRE_FALSE(s.commit(group, {{s.of("gone", 0), 0}, {s.of("gone", 2), 0}}));
    if (i % 100 == 0) REQUIRE_FALSE(s.commit(group, {{s.of("kept", 0), 0}}));
  }
  s.pass(seconds(61));
  REQUIRE_FALSE(s.remove("gone"));
  CHECK(s.shard_->groups("", 1000).size() == 7);
  CHECK(s.shard_->group_positions("g1", {}, 10).empty());
  s.pass(seconds(61));
  CHECK(s.store.of(state::table_id::group_positions).size() == 7);
  CHECK(s.store.of(state::table_id::garbage).empty());
}

}  // namespace skald::shard::testing
