// Producers with a name: one at a time, and whoever had the name before is fenced everywhere.
#include <doctest/doctest.h>

#include "broker/shard/dump.hpp"
#include "broker/shard/state_machine.hpp"
#include "broker/state/rows.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using state::encode;
using state::producer_identity;
using std::chrono::hours;

producer_identity next_epoch(const producer_identity& of) {
  return {of.id, producer_epoch(static_cast<std::uint16_t>(of.epoch.value() + 1))};
}

// A shard with a topic of two partitions, and producers that take names.
struct named_scene : scene {
  named_scene() {
    shard_.reset();
    runs.clear();
    with.producer_expiry = hours(2);
    with.named_producers_max = 2;
    open();
    REQUIRE_FALSE(create("t", {.partitions = 2}));
  }

  failure ask(producer_request what, producer_identity& given) {
    std::optional<failure> outcome;
    shard_->init_producer(std::move(what), [&](failure why, producer_id id, producer_epoch epoch) {
      outcome = std::move(why);
      given = {id, epoch};
    });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  producer_identity take(std::string name) {
    producer_identity given;
    REQUIRE_FALSE(ask({.name = std::move(name)}, given));
    return given;
  }
  append_result publish(const producer_identity& by, std::uint32_t partition, std::int32_t sequence) {
    const protocol::producer_stamp stamp{by.id, by.epoch, sequence};
    return append(request_of("t", partition, batch_of("x", 1, clock.now(), stamp)));
  }
  errc publish_code(const producer_identity& by, std::uint32_t partition, std::int32_t sequence) {
    return publish(by, partition, sequence).why.code;
  }
  errc commit_code(const producer_identity& by, std::uint64_t sequence) {
    commit_request request = commit_of({request_of("t", 0, batch_of("c", 1, clock.now()))});
    request.producer = by.id;
    request.epoch = by.epoch;
    request.sequence = sequence;
    return commit(std::move(request)).why.code;
  }
};

// The state machine alone, for what takes many commands.
struct machine_alone {
  sim_store store;
  state::tables tables{store};
  state_machine machine{tables};

  producer_identity take(std::string name, std::optional<producer_identity> renews = {}) {
    const effect made = machine.apply(init_producer_command{std::move(name), {}, renews, 10}, {});
    CHECK_FALSE(made.why);
    return made.producer;
  }
  errc append(const producer_identity& by) {
    append_command c;
    c.to = {topic_id(1), {}};
    c.records = 1;
    c.batch_bytes = 100;
    c.producer = by.id;
    c.epoch = by.epoch;
    c.base_sequence = 0;
    return machine.apply(c, {journal::generation(1), 4096, 100}).why.code;
  }
};

}  // namespace

TEST_CASE("a name that is known gets its id with the next epoch; without a name every id is new") {
  named_scene s;
  const producer_identity first = s.take("feed");
  CHECK(first.epoch == producer_epoch(0));
  CHECK(first.id >= state::first_named_producer);
  CHECK(s.take("feed") == next_epoch(first));
  CHECK(s.take("other").id != first.id);
  producer_identity nameless;
  REQUIRE_FALSE(s.ask({}, nameless));
  CHECK(nameless.id < state::first_named_producer);
  CHECK(nameless.epoch == producer_epoch(0));
}

TEST_CASE("who had the name before is fenced on every partition, also where the new one published nothing") {
  named_scene s;
  const producer_identity zombie = s.take("feed");
  CHECK(s.publish_code(zombie, 0, 0) == errc::ok);
  const producer_identity holder = s.take("feed");
  const append_result refused = s.publish(zombie, 0, 1);
  CHECK(refused.why.code == errc::fenced_producer);
  CHECK(refused.why.message.find("taken over the name 'feed'") != std::string::npos);
  CHECK(s.publish_code(zombie, 1, 0) == errc::fenced_producer);  // where nobody has published
  CHECK(s.publish_code(zombie, 0, 0) == errc::fenced_producer);  // what it has stored
  CHECK(s.publish_code(holder, 0, 0) == errc::ok);
  CHECK(s.publish_code(holder, 1, 0) == errc::ok);
  CHECK(s.read("t").size() == 2);
  CHECK(s.read("t", 1).size() == 1);
  CHECK(s.findings() == "");
}

TEST_CASE("the numbers of a new epoch begin at 0") {
  named_scene s;
  const producer_identity before = s.take("feed");
  CHECK(s.publish_code(before, 0, 0) == errc::ok);
  const producer_identity holder = s.take("feed");
  CHECK(s.publish_code(holder, 0, 1) == errc::out_of_order_sequence);
  CHECK(s.publish_code(holder, 0, 0) == errc::ok);
}

TEST_CASE("an epoch that was never given is refused as an older one is") {
  named_scene s;
  const producer_identity holder = s.take("feed");
  CHECK(s.publish_code(next_epoch(holder), 0, 0) == errc::fenced_producer);
  CHECK(s.publish_code({producer_id(holder.id.value() + 7), {}}, 0, 0) == errc::fenced_producer);
  CHECK(s.publish_code(holder, 0, 0) == errc::ok);
}

TEST_CASE("commits under an identity whose name was taken over are fenced, also if they were made before") {
  named_scene s;
  const producer_identity zombie = s.take("feed");
  CHECK(s.commit_code(zombie, 1) == errc::ok);
  const producer_identity holder = s.take("feed");
  CHECK(s.commit_code(zombie, 1) == errc::fenced_producer);
  CHECK(s.commit_code(zombie, 2) == errc::fenced_producer);
  const auto found = s.shard_->find_commit(zombie.id, zombie.epoch, 1);
  REQUIRE(found);
  CHECK(found->why.code == errc::fenced_producer);
  CHECK(s.commit_code(holder, 1) == errc::ok);
  CHECK(s.read("t").size() == 2);
}

TEST_CASE("names are as they were after a crash, and after a restart from the flushed state") {
  named_scene s;
  const producer_identity zombie = s.take("feed");
  const producer_identity holder = s.take("feed");
  SUBCASE("replayed") {
    s.crash();
  }
  SUBCASE("flushed") {
    s.stop();
    s.crash();
    CHECK(s.shard_->stats().replay_bytes == 0);
  }
  CHECK(s.publish_code(zombie, 1, 0) == errc::fenced_producer);
  CHECK(s.publish_code(holder, 1, 0) == errc::ok);
  CHECK(s.take("feed") == next_epoch(holder));
  CHECK(s.findings() == "");
}

TEST_CASE("a holder gets the next epoch of its name once, however often it asks, and nobody else does") {
  named_scene s;
  const producer_identity first = s.take("feed");
  producer_identity renewed;
  REQUIRE_FALSE(s.ask({.name = "feed", .renews = first}, renewed));
  CHECK(renewed == next_epoch(first));
  producer_identity again;  // the answer was lost
  REQUIRE_FALSE(s.ask({.name = "feed", .renews = first}, again));
  CHECK(again == renewed);
  CHECK(s.publish_code(first, 0, 0) == errc::fenced_producer);
  CHECK(s.publish_code(renewed, 0, 0) == errc::ok);

  const producer_identity taken = s.take("feed");
  producer_identity none;
  CHECK(s.ask({.name = "feed", .renews = first}, none).code == errc::fenced_producer);
  CHECK(s.ask({.name = "feed", .renews = renewed}, none).code == errc::fenced_producer);
  CHECK(s.ask({.name = "feed", .renews = producer_identity{}}, none).code == errc::fenced_producer);
  CHECK(s.ask({.name = "unknown", .renews = renewed}, none).code == errc::fenced_producer);
  CHECK(s.publish_code(taken, 0, 0) == errc::ok);
}

TEST_CASE("there are only so many names, and the refusal says so") {
  named_scene s;
  s.take("a");
  s.take("b");
  producer_identity none;
  const failure refused = s.ask({.name = "c"}, none);
  CHECK(refused.code == errc::overloaded);
  CHECK(refused.message.find("there are 2 names of producers already") != std::string::npos);
  CHECK(s.take("a").epoch == producer_epoch(1));
}

TEST_CASE("a name that is not used is forgotten after its time, one that is used is not") {
  named_scene s;
  const producer_identity idle = s.take("idle");
  const producer_identity busy = s.take("busy");
  for (std::int32_t hour = 0; hour < 4; ++hour) {
    s.pass(hours(1));
    CHECK(s.publish_code(busy, 1, hour) == errc::ok);
  }
  CHECK(s.publish_code(idle, 0, 0) == errc::fenced_producer);
  const producer_identity anew = s.take("idle");
  CHECK(anew.epoch == producer_epoch(0));
  CHECK(anew.id != idle.id);
  CHECK(s.take("busy") == next_epoch(busy));
  CHECK(s.findings() == "");
}

TEST_CASE("a name that only commits is used, too") {
  named_scene s;
  const producer_identity busy = s.take("busy");
  for (std::uint64_t hour = 1; hour <= 4; ++hour) {
    s.pass(hours(1));
    CHECK(s.commit_code(busy, hour) == errc::ok);
  }
}

TEST_CASE("after the last epoch a name gets a new id, and all of the old one is fenced") {
  machine_alone m;
  REQUIRE_FALSE(m.machine.apply(create_topic_command{"t", {.partitions = 1}, false, {}, 10}, {}).why);
  const producer_identity first = m.take("feed");
  producer_identity last = first;
  for (int i = 1; i <= 0xffff; ++i) last = m.take("feed");
  CHECK(last == producer_identity{first.id, producer_epoch(0xffff)});
  SUBCASE("taken over") {
    const producer_identity next = m.take("feed");
    CHECK(next.id != first.id);
    CHECK(next.epoch == producer_epoch(0));
    CHECK(m.append(last) == errc::fenced_producer);
    CHECK(m.append(next) == errc::ok);
    CHECK(m.take("feed") == next_epoch(next));
  }
  SUBCASE("renewed, and asked for again") {
    const producer_identity next = m.take("feed", last);
    CHECK(next.id != first.id);
    CHECK(m.take("feed", last) == next);
    CHECK(m.append(last) == errc::fenced_producer);
    CHECK(m.append(next) == errc::ok);
  }
  CHECK(m.tables.named_producers.size() == 1);
}

TEST_CASE("a dump shows names and who took them") {
  named_scene s;
  const producer_identity first = s.take("feed");
  producer_identity renewed;
  REQUIRE_FALSE(s.ask({.name = "feed", .renews = first}, renewed));
  std::vector<std::string> rows;
  dump(s.disk, "data", s.store, {}, [&](const dump_row& row) { rows.push_back(to_json(row)); });
  const auto has = [&](std::initializer_list<std::string_view> parts) {
    return std::ranges::any_of(rows, [&](const std::string& row) {
      return std::ranges::all_of(parts, [&](std::string_view part) { return row.find(part) != row.npos; });
    });
  };
  const std::string id = std::to_string(first.id.value());
  CHECK(has({"named_producers", "\"name\":\"feed\"", "\"epoch\":1", id}));
  CHECK(has({"\"command\":\"init_producer\"", "\"name\":\"feed\"", "\"epoch\":0", id}));
}

TEST_CASE("verify finds two holders of a name, ids that were not given, and epochs above the newest") {
  named_scene s;
  const producer_identity holder = s.take("feed");
  CHECK(s.publish_code(holder, 0, 0) == errc::ok);
  s.stop();
  const auto put = [&](producer_id id, const state::named_producer_row& row) {
    std::string key;
    std::string value;
    encode(id, key);
    encode(row, value);
    s.store.of(state::table_id::named_producers)[key] = value;
  };
  verification counts;
  const auto finds = [&](std::string_view what) {
    std::string all;
    counts = verify(s.disk, "data", s.store, [&](const finding& one) { all += to_line(one); });
    return all.find(what) != std::string::npos;
  };
  CHECK_FALSE(finds("producer"));
  CHECK(counts.named_producers == 1);
  SUBCASE("two holders, of which one was not given") {
    put(producer_id(holder.id.value() + 50), {"feed", {}, {}, {}});
    CHECK(finds("another has the same name"));
    CHECK(finds("not below the next to be given"));
  }
  SUBCASE("an epoch") {
    const protocol::producer_stamp stamp{holder.id, producer_epoch(0), 0};
    const auto partition = s.ref("t");
    std::string key;
    std::string value;
    encode(state::producer_key{{partition.topic, partition.partition}, stamp.id}, key);
    encode(
        state::producer_row{.epoch = producer_epoch(1), .next_sequence = 1, .last_seen = {}, .batches = {}},
        value);
    s.store.of(state::table_id::producers)[key] = value;
    CHECK(finds("its epoch is above the newest of its name"));
  }
  SUBCASE("a name") {
    put(holder.id, {"a b", {}, {}, {}});
    CHECK(finds("it cannot have that name"));
  }
}

}  // namespace skald::shard::testing
