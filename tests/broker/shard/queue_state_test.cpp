// What a shard remembers of its queues: settled records stay settled, whatever crashes.
#include "broker/shard/queue_state.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "broker/shard/queue_inspection.hpp"
#include "broker/shard/verify.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

struct queue_scene : scene {
  explicit queue_scene(std::uint64_t seed = 1) : scene(seed) {}

  queue_id make(std::string topic, std::string name, queue_settings settings = {}, bool from_end = false) {
    std::optional<queue_id> made;
    shard_->create_queue(topic, std::move(name), std::move(settings), false, from_end,
                         [&](const failure& why, queue_id id) {
                           REQUIRE_FALSE(why);
                           made = id;
                         });
    scene::settle();
    REQUIRE(made);
    return *made;
  }
  using scene::settle;
  failure settle(settle_command what) {
    return await([&](auto done) { shard_->settle(std::move(what), std::move(done)); });
  }
  failure ack(queue_id queue, std::uint64_t first, std::uint64_t end) {
    return settle({{{queue, partition_id(0), offset(first), offset(end)}}, {}});
  }
  failure retry(queue_id queue, std::uint64_t first, std::uint64_t end, std::uint32_t attempts) {
    return settle({{},
                   {{{queue, partition_id(0), offset(first), offset(end)},
                     attempts,
                     clock.now() + std::chrono::seconds(5),
                     "no luck"}}});
  }
  template <class Begin>
  failure await(Begin begin) {
    std::optional<failure> outcome;
    begin([&](failure why) { outcome = std::move(why); });
    scene::settle();
    REQUIRE(outcome);
    return *outcome;
  }
  std::uint64_t floor(queue_id queue) { return shard_->queues().floor({queue, partition_id(0)}).value(); }
  // What is known above the floor: first, end, attempts, or 0 when settled.
  struct known {
    std::uint64_t first, end;
    std::uint32_t attempts;
    friend bool operator==(const known&, const known&) = default;
  };
  std::vector<known> ranges(queue_id queue) {
    std::vector<known> all;
    offset at = offset(floor(queue));
    while (const auto next = shard_->queues().next_range({queue, partition_id(0)}, at)) {
      all.push_back(
          {next->first.value(), next->second.end.value(), next->second.settled ? 0 : next->second.attempts});
      at = next->second.end;
    }
    return all;
  }
  void check_invariants() {
    stop();
    shard_.reset();
    verify(disk, with.directory, store, [](const finding& found) {
      if (found.is == finding::severity::error) FAIL_CHECK(to_line(found));
    });
    open();
  }
};

}  // namespace

TEST_CASE("Records settled in order raise the floor and leave nothing behind") {
  queue_scene at;
  at.create("orders");
  at.append("orders", 0, "a", 10);
  const queue_id queue = at.make("orders", "billing");

  CHECK_FALSE(at.ack(queue, 0, 4));
  CHECK_FALSE(at.ack(queue, 4, 7));

  CHECK(at.floor(queue) == 7);
  CHECK(at.ranges(queue).empty());
}

TEST_CASE("Records settled out of order are kept as ranges until the floor reaches them") {
  queue_scene at;
  at.create("orders");
  at.append("orders", 0, "a", 10);
  const queue_id queue = at.make("orders", "billing");

  at.ack(queue, 6, 8);
  at.ack(queue, 2, 4);
  at.ack(queue, 4, 6);
  CHECK(at.ranges(queue) == std::vector<queue_scene::known>{{2, 8, 0}});
  at.ack(queue, 0, 2);

  CHECK(at.floor(queue) == 8);
  CHECK(at.ranges(queue).empty());
}

TEST_CASE("An attempt that failed is remembered until its record is settled") {
  queue_scene at;
  at.create("orders");
  at.append("orders", 0, "a", 10);
  const queue_id queue = at.make("orders", "billing");

  at.retry(queue, 0, 6, 1);
  at.ack(queue, 2, 3);
  CHECK(at.ranges(queue) == std::vector<queue_scene::known>{{0, 2, 1}, {2, 3, 0}, {3, 6, 1}});
  at.retry(queue, 4, 5, 2);
  at.ack(queue, 0, 2);

  CHECK(at.floor(queue) == 3);
  CHECK(at.ranges(queue) == std::vector<queue_scene::known>{{3, 4, 1}, {4, 5, 2}, {5, 6, 1}});
}

TEST_CASE("A queue survives a crash with everything acknowledged, and nothing else") {
  queue_scene at;
  at.create("orders");
  at.append("orders", 0, "a", 10);
  queue_settings settings;
  settings.lease_ms = 5'000;
  settings.dead_letter = "lost";
  const queue_id queue = at.make("orders", "billing", settings);
  at.ack(queue, 3, 5);
  at.retry(queue, 7, 8, 4);

  at.crash();

  CHECK(at.shard_->queues().find(at.ref("orders").topic, "billing") == queue);
  CHECK(at.shard_->queues().row(queue)->settings.lease_ms == 5'000);
  CHECK(at.shard_->queues().row(queue)->settings.dead_letter == "lost");
  CHECK(at.ranges(queue) == std::vector<queue_scene::known>{{3, 5, 0}, {7, 8, 4}});
  at.check_invariants();
}

TEST_CASE("A queue made at the end of its topic leaves out what was there before") {
  queue_scene at;
  at.create("orders");
  at.append("orders", 0, "a", 10);
  CHECK(at.floor(at.make("orders", "new", {}, true)) == 10);
  CHECK(at.floor(at.make("orders", "all")) == 0);
}

TEST_CASE("A queue is made once, with settings that make sense, on a topic that exists") {
  queue_scene at;
  at.create("orders");
  const queue_id queue = at.make("orders", "billing");
  const auto create = [&](std::string topic, queue_settings settings, bool if_absent) {
    return at.await([&](auto done) {
      at.shard_->create_queue(topic, "billing", std::move(settings), if_absent, false,
                              [&, done](failure why, queue_id id) {
                                if (!why) CHECK(id == queue);
                                done(std::move(why));
                              });
    });
  };
  CHECK(create("orders", {}, false).code == errc::queue_exists);
  CHECK_FALSE(create("orders", {}, true));
  CHECK(create("none", {}, true).code == errc::unknown_topic);
  const auto with = [](auto change) {
    queue_settings settings;
    change(settings);
    return settings;
  };
  CHECK(create("orders", with([](auto& s) { s.lease_ms = 1; }), true).code == errc::invalid_settings);
  CHECK(create("orders", with([](auto& s) { s.max_attempts = 0; }), true).code == errc::invalid_settings);
  CHECK(create("orders", with([](auto& s) { s.backoff_min_ms = s.backoff_max_ms + 1; }), true).code ==
        errc::invalid_settings);
}

TEST_CASE("What is parked can be made due, and what a topic holds can be purged") {
  queue_scene at;
  at.create("orders");
  at.append("orders", 0, "a", 10);
  const queue_id queue = at.make("orders", "billing");
  at.retry(queue, 2, 4, 1);

  CHECK_FALSE(at.await([&](auto done) { at.shard_->unpark_queue(queue, at.clock.now(), done); }));
  CHECK(at.shard_->queues().next_range({queue, partition_id(0)}, offset(0))->second.parked_until ==
        at.clock.now());
  CHECK_FALSE(at.await([&](auto done) { at.shard_->purge_queue(queue, done); }));
  CHECK(at.floor(queue) == 10);
  CHECK(at.ranges(queue).empty());
}

TEST_CASE("A deleted queue, and the queues of a deleted topic, leave nothing behind") {
  queue_scene at;
  at.create("orders");
  at.append("orders", 0, "a", 10);
  const queue_id first = at.make("orders", "first");
  const queue_id second = at.make("orders", "second");
  at.ack(first, 4, 5);
  at.ack(second, 4, 5);

  CHECK_FALSE(at.await([&](auto done) { at.shard_->delete_queue(first, done); }));
  CHECK(at.await([&](auto done) { at.shard_->delete_queue(first, done); }).code == errc::unknown_queue);
  CHECK_FALSE(at.remove("orders"));

  CHECK(at.shard_->queues().by_name().empty());
  CHECK(at.ranges(first).empty());
  CHECK_FALSE(at.ack(second, 0, 1));
  at.check_invariants();
}

TEST_CASE("Retention raises the floor over records that are gone") {
  queue_scene at;
  at.create("orders", {.retention_bytes = 200});
  for (int i = 0; i < 10; ++i) at.append("orders", 0, "some text that takes room", 2);
  const queue_id queue = at.make("orders", "billing");
  at.ack(queue, 1, 3);
  at.retry(queue, 19, 20, 1);

  at.pass(std::chrono::seconds(3));

  const std::uint64_t start = at.info("orders").log_start.value();
  REQUIRE(start > 3);
  CHECK(at.floor(queue) == start);
  CHECK(at.ranges(queue) == std::vector<queue_scene::known>{{19, 20, 1}});
  at.check_invariants();
}

TEST_CASE("Records move to another topic with their removal, or not at all") {
  queue_scene at;
  at.create("orders");
  at.create("dead");
  at.append("orders", 0, "a", 10);
  const queue_id queue = at.make("orders", "billing");
  const auto move = [&](std::uint64_t first, std::uint64_t end, std::string topic) {
    return at.await([&](auto done) {
      commit_request commit;
      commit.batches = batch_of("dead", 1, at.clock.now());
      commit.appends.push_back(request_of(topic, 0, commit.batches));
      commit.settled.push_back({queue, partition_id(0), offset(first), offset(end)});
      at.shard_->commit(std::move(commit), [done](const commit_result& made) { done(made.why); });
    });
  };

  CHECK_FALSE(move(3, 4, "dead"));
  CHECK(move(3, 4, "dead").code == errc::unknown_lease);
  CHECK(move(2, 6, "dead").code == errc::unknown_lease);
  CHECK(move(5, 6, "nowhere").code == errc::unknown_topic);
  at.crash();

  CHECK(at.info("dead").end == offset(1));
  CHECK(at.ranges(queue) == std::vector<queue_scene::known>{{3, 4, 0}});
}

TEST_CASE("Settling at random agrees with a model that keeps each record, across flushes and crashes") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    queue_scene at(seed);
    at.create("orders");
    constexpr std::uint64_t records = 40;
    at.append("orders", 0, "a", records);
    const queue_id queue = at.make("orders", "billing");
    std::vector<int> model(records, 0);  // -1 settled, else attempts
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t first = random() % records;
      const std::uint64_t end = std::min<std::uint64_t>(records, first + 1 + random() % 6);
      if (random() % 3 > 0) {
        at.ack(queue, first, end);
        std::fill(model.begin() + static_cast<long>(first), model.begin() + static_cast<long>(end), -1);
      } else {
        const int attempts = 1 + static_cast<int>(random() % 3);
        at.retry(queue, first, end, static_cast<std::uint32_t>(attempts));
        const auto from = model.begin() + static_cast<long>(first);
        const auto to = model.begin() + static_cast<long>(end);
        if (std::find(from, to, -1) == to) std::fill(from, to, attempts);
      }
      if (random() % 10 == 0) at.crash();
      if (random() % 10 == 0) at.pass(std::chrono::minutes(2));  // which flushes the state

      std::vector<int> is(records, 0);
      std::fill(is.begin(), is.begin() + static_cast<long>(at.floor(queue)), -1);
      for (const auto& known : at.ranges(queue))
        std::fill(is.begin() + static_cast<long>(known.first), is.begin() + static_cast<long>(known.end),
                  known.attempts == 0 ? -1 : static_cast<int>(known.attempts));
      REQUIRE(is == model);
    }
    at.check_invariants();
  }
}

TEST_CASE("The commands of queues are read as they were written") {
  const queue_range range{queue_id(7), partition_id(2), offset(5), offset(9)};
  const timestamp now{std::chrono::milliseconds(1234)};
  command_encoder encoder;
  const auto again = [&](const command& what) { return decode_command(encoder.encode(what)).what; };

  const auto settle = std::get<settle_command>(again(settle_command{{range}, {{range, 3, now, "why"}}}));
  CHECK(settle.settled == std::vector{range});
  CHECK(settle.retried == std::vector{retried_range{range, 3, now, "why"}});

  const queue_settings settings{.lease_ms = 1,
                                .max_attempts = 2,
                                .backoff_min_ms = 3,
                                .backoff_max_ms = 4,
                                .ordered_by_key = true,
                                .dead_letter = "d"};
  const auto create = std::get<create_queue_command>(
      again(create_queue_command{topic_id(3), "q", settings, true, true, now, 8}));
  CHECK(create.topic == topic_id(3));
  CHECK(create.name == "q");
  CHECK(create.settings == settings);
  CHECK(create.if_absent);
  CHECK(create.from_end);
  CHECK(create.now == now);
  CHECK(create.queues_max == 8);

  commit_command commit;
  commit.settled = {range};
  CHECK(std::get<commit_command>(again(commit)).settled == std::vector{range});
  CHECK(std::get<alter_queue_command>(again(alter_queue_command{queue_id(9), settings})).settings ==
        settings);
  CHECK(std::get<delete_queue_command>(again(delete_queue_command{queue_id(9)})).queue == queue_id(9));
  CHECK(std::get<unpark_queue_command>(again(unpark_queue_command{queue_id(9), now})).now == now);
  CHECK(std::get<purge_queue_command>(again(purge_queue_command{queue_id(9)})).queue == queue_id(9));
}

}  // namespace skald::shard::testing
