// Commits that acknowledge inputs: records of queues, and positions of groups, on a simulated disk.
#include <doctest/doctest.h>

#include "broker/shard/queue_state.hpp"
#include "broker/shard/verify.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

struct inputs_scene : scene {
  queue_id queue;

  inputs_scene() {
    REQUIRE_FALSE(create("in"));
    REQUIRE_FALSE(create("out"));
    shard_->create_queue("in", "work", {}, false, false, [&](const failure& why, queue_id made) {
      REQUIRE_FALSE(why);
      queue = made;
    });
    settle();
    for (int i = 0; i < 10; ++i) append("in", 0, "input");
  }

  queue_range records(std::uint64_t first, std::uint64_t end) const {
    return {queue, partition_id(0), offset(first), offset(end)};
  }
  group_positions position(std::uint64_t next, std::string group = "billing") {
    const auto of = ref("in");
    return {std::move(group), {{{of.topic, of.partition}, offset(next)}}};
  }
  commit_request output(std::string_view text, std::uint64_t sequence) {
    commit_request request;
    request.appends.push_back(request_of("out", 0, batch_of(text, 1, clock.now())));
    request.batches = request.appends.front().batch;
    request.producer = producer_id(7);
    request.sequence = sequence;
    return request;
  }

  bool settled(std::uint64_t at) const { return bool(shard_->queues().check(records(at, at + 1))); }
  std::uint64_t position_of(const std::string& group = "billing") {
    return shard_->group_position(group, ref("in")).value_or(offset(999)).value();
  }
  std::vector<std::string> outputs() { return values("out"); }
};

using part = commit_part::kind;
using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("inputs are acknowledged and outputs appended at once, also after a crash") {
  inputs_scene s;
  commit_request effect = s.output("one", 1);
  effect.settled = {s.records(2, 4), s.records(7, 8)};
  effect.positions = {s.position(5), s.position(6, "shipping")};
  CHECK_FALSE(s.commit(effect).why);
  s.crash();
  CHECK(s.outputs() == texts{"one"});
  CHECK(s.position_of() == 5);
  CHECK(s.position_of("shipping") == 6);
  CHECK(s.settled(3));
  CHECK(s.settled(7));
  CHECK_FALSE(s.settled(4));
  CHECK(s.findings() == "");
}

TEST_CASE("a commit one of whose inputs is not there changes nothing, and says which") {
  inputs_scene s;
  commit_request first = s.output("one", 1);
  first.settled = {s.records(2, 4)};
  first.positions = {s.position(5)};
  REQUIRE_FALSE(s.commit(first).why);

  const auto refused = [&](commit_request request) {
    const commit_result result = s.commit(std::move(request));
    CHECK(s.outputs() == texts{"one"});
    CHECK(s.position_of() == 5);
    CHECK_FALSE(s.settled(6));
    return result;
  };
  commit_request settled_before = s.output("two", 2);
  settled_before.settled = {s.records(6, 7), s.records(3, 5)};
  settled_before.positions = {s.position(6)};
  const commit_result twice = refused(settled_before);
  CHECK(twice.why.code == errc::unknown_lease);
  CHECK(twice.refused.what == part::settlement);
  CHECK(twice.refused.index == 1);

  commit_request past_the_end = s.output("two", 2);
  past_the_end.settled = {s.records(6, 7)};
  past_the_end.positions = {s.position(5, "shipping"), s.position(11)};
  const commit_result past = refused(past_the_end);
  CHECK(past.why.code == errc::offset_out_of_range);
  CHECK(past.refused.what == part::position);
  CHECK(past.refused.index == 1);

  commit_request gone_back = s.output("two", 2);
  gone_back.positions = {s.position(4)};
  CHECK(refused(gone_back).why.code == errc::offset_out_of_range);

  commit_request no_queue = s.output("two", 2);
  no_queue.settled = {{queue_id(99), partition_id(0), offset(0), offset(1)}};
  CHECK(refused(no_queue).why.code == errc::unknown_queue);
}

TEST_CASE("a commit is found by its number once it was made, and as long as it is remembered") {
  inputs_scene s;
  const auto find = [&](std::uint64_t sequence) {
    return s.shard_->find_commit(producer_id(7), producer_epoch(), sequence);
  };
  CHECK_FALSE(find(1));
  commit_request effect = s.output("one", 1);
  effect.settled = {s.records(0, 1)};
  REQUIRE_FALSE(s.commit(effect).why);
  s.crash();
  const auto found = find(1);
  REQUIRE(found);
  CHECK(found->duplicate);
  CHECK_FALSE(found->why);
  REQUIRE(found->appends.size() == 1);
  CHECK(found->appends[0].base_offset == offset(0));
  CHECK(found->appends[0].partitions == 1);
  CHECK_FALSE(find(2));
  // Sent again it is the same, though its input is settled by now.
  CHECK(s.commit(effect).duplicate);
  CHECK(s.outputs() == texts{"one"});

  for (std::uint64_t i = 2; i <= state::commit_row::remembered_max + 1; ++i)
    REQUIRE_FALSE(s.commit(s.output("x", i)).why);
  REQUIRE(find(1));
  CHECK(find(1)->why.code == errc::out_of_order_sequence);
}

}  // namespace skald::shard::testing
