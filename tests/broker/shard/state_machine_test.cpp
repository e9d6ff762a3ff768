// Apply is deterministic: the same commands give the same effects and the same logical state, whatever a node
// does besides - flushing, clearing garbage, moving batches - and from whichever flush a replay begins.
#include "broker/shard/state_machine.hpp"

#include <doctest/doctest.h>

#include <random>
#include <sstream>

#include "tests/broker/state/sim_store.hpp"

namespace skald::shard {

namespace {

using skald::testing::sim_store;

// The part of the state that replicas agree on, as text.
std::string logical_dump(const state::tables& of) {
  std::ostringstream out;
  const auto ms = [](timestamp at) { return at.time_since_epoch().count(); };
  out << "next " << of.meta.next_topic.value() << ' ' << of.meta.next_producer.value() << '\n';
  for (const auto& [id, topic] : of.topics)
    out << "topic " << id.value() << ' ' << topic.name << ' ' << ms(topic.created) << ' '
        << topic.settings.partitions << ' ' << topic.settings.bytes_max << '\n';
  for (const auto& [key, row] : of.partitions) {
    out << "partition " << key.topic.value() << '/' << key.partition.value() << ' ' << row.log_start.value()
        << ' ' << row.end.value() << ' ' << row.bytes << ' ' << row.bytes_appended << ' '
        << ms(row.newest_record) << ' ' << ms(row.newest_age) << '\n';
    const state::partition_key here = key;
    of.batches.scan({key, row.log_start}, [&](const state::batch_key& at, const state::batch_row& batch) {
      if (at.of != here) return false;
      out << "  batch " << at.base.value() << ' ' << batch.records << ' ' << batch.at.bytes << ' '
          << ms(batch.newest_record_so_far) << ' ' << ms(batch.age_from) << ' ' << batch.bytes_before << '\n';
      return true;
    });
    of.producers.scan({key, {}}, [&](const state::producer_key& at, const state::producer_row& producer) {
      if (at.on != here) return false;
      out << "  producer " << at.producer.value() << ' ' << producer.epoch.value() << ' '
          << producer.next_sequence << ' ' << ms(producer.last_seen);
      for (const auto& sent : producer.batches)
        out << ' ' << sent.base_sequence << '@' << sent.base_offset.value();
      out << '\n';
      return true;
    });
  }
  for (const auto& [id, row] : of.named_producers)
    out << "named " << id.value() << ' ' << row.name << ' ' << row.epoch.value() << ' ' << ms(row.last_seen)
        << ' ' << row.renews.id.value() << ' ' << row.renews.epoch.value() << '\n';
  of.group_positions.scan(
      {}, [&](const state::group_position_key& key, const state::group_position_row& row) {
        if (of.topics.find(key.of.topic) != nullptr)
          out << "position " << key.group << ' ' << key.of.topic.value() << '/' << key.of.partition.value()
              << ' ' << row.next.value() << ' ' << ms(row.committed) << '\n';
        return true;
      });
  return out.str();
}

std::string text_of(const effect& e) {
  std::ostringstream out;
  out << to_string(e.why.code) << ' ' << e.why.message << ' ' << e.topic.value() << ' '
      << e.base_offset.value() << ' ' << e.duplicate << ' ' << e.producer.id.value() << ' '
      << e.producer.epoch.value() << ' ' << static_cast<int>(e.readers);
  return out.str();
}

struct node {
  sim_store store;
  state::tables tables{store};
  state_machine machine{tables};

  node() = default;
  explicit node(const sim_store& with) : store(with) {}

  void flush() {
    const state::frozen_tables frozen = tables.freeze();
    REQUIRE(store.commit(frozen.write).has_value());
    tables.thaw();
  }
};

// Commands as several clients might send them, many of them wrong.
class generator {
 public:
  explicit generator(std::uint64_t seed) : random_(seed) {}

  command next() {
    now_ += std::chrono::milliseconds(random_() % 1'000);
    if (random_() % 50 == 0) now_ -= std::chrono::seconds(5);  // a leader with another clock
    switch (random_() % 20) {
      case 0:
        return create_topic_command{
            .name = std::string(1, static_cast<char>('a' + random_() % 6)),
            .settings = {.partitions = 1 + below(3), .bytes_max = random_() % 2 == 0 ? unlimited : 5'000},
            .if_absent = random_() % 2 == 0,
            .now = now_,
            .partitions_max = 12};
      case 1:
        return delete_topic_command{any_topic()};
      case 2:
        return alter_topic_command{any_topic(), {.partitions = 1 + below(4)}, 12};
      case 3:
        return init_producer();
      case 4:
      case 5:
        return trim_command{any_partition(), offset(below(300))};
      case 6:
        return expire_producers_command{now_ - std::chrono::seconds(20),
                                        {any_partition(), producer_id(0)},
                                        {any_partition(), producer_id(9)}};
      case 7:
        if (below(8) == 0)
          return expire_named_producers_command{now_ - std::chrono::seconds(20), any_named(),
                                                producer_id(1ull << 60)};
        return commit_positions_command{
            {group(), {{any_partition(), offset(below(60))}, {any_partition(), offset(0)}}}, now_};
      case 8:
        if (below(4) == 0) return delete_group_command{group()};
        return append();
      default:
        return append();
    }
  }

 private:
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  std::string group() { return "g" + std::to_string(below(3)); }
  topic_id any_topic() { return topic_id(1 + below(8)); }
  state::partition_key any_partition() { return {any_topic(), partition_id(below(3))}; }
  producer_id any_named() { return producer_id(state::first_named_producer.value() + 1 + below(20)); }
  command init_producer() {
    if (below(2) == 0) return init_producer_command{};
    init_producer_command c{std::string(1, static_cast<char>('a' + below(4))), now_, {}, 3};
    if (below(2) == 0) c.renews = {any_named(), producer_epoch(static_cast<std::uint16_t>(below(2)))};
    return c;
  }
  append_command append() {
    append_command c{.to = any_partition(),
                     .records = 1 + below(5),
                     .batch_bytes = 100 + below(200),
                     .record_bytes_largest = 100,
                     .timestamp_max = now_ - std::chrono::milliseconds(below(10'000)),
                     .now = now_,
                     .producer = std::nullopt,
                     .epoch = {},
                     .base_sequence = -1};
    if (random_() % 2 == 0) {
      c.producer = below(3) == 0 ? any_named() : producer_id(1 + below(3));
      c.epoch = producer_epoch(static_cast<std::uint16_t>(random_() % 30 == 0));
      c.records = 2;
      c.base_sequence = static_cast<std::int32_t>(2 * below(12));
    }
    return c;
  }

  std::mt19937_64 random_;
  timestamp now_{std::chrono::milliseconds(1'700'000'000'000)};
};

journal::place place_of(std::size_t entry, const command& what) {
  const auto* append = std::get_if<append_command>(&what);
  return {journal::generation(1 + entry / 100), static_cast<std::uint32_t>(4096 + entry % 100 * 512),
          append == nullptr ? 0 : append->batch_bytes};
}

// The sum of live bytes has to be that of the indexed batches, whatever happened.
void check_live_bytes(const state::tables& of) {
  std::map<journal::generation, std::uint64_t> live;
  std::size_t places = 0;
  of.batches.scan({}, [&](const state::batch_key& key, const state::batch_row& row) {
    live[row.at.segment] += row.at.bytes;
    CHECK(of.places.get({row.at.segment, row.at.position}) == state::place_row{key});
    return true;
  });
  of.places.scan({}, [&](const state::place_key&, const state::place_row& lies) {
    CHECK(of.batches.get(std::get<state::batch_key>(lies.what)));
    return ++places > 0;
  });
  for (const auto& [segment, row] : of.segments) CHECK(row.live_bytes == live[segment]);
}

}  // namespace

TEST_CASE("the same commands give the same effects and the same logical state") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    generator commands(seed);
    std::mt19937_64 other(seed * 7);
    node plain;
    node busy;  // flushes, clears garbage and moves batches whenever it likes
    for (std::size_t i = 0; i < 600; ++i) {
      const command what = commands.next();
      CHECK(text_of(plain.machine.apply(what, place_of(i, what))) ==
            text_of(busy.machine.apply(what, place_of(i, what))));
      if (other() % 20 == 0) busy.flush();
      if (other() % 10 == 0) busy.machine.collect_garbage(other() % 20);
      if (other() % 10 == 0) {
        if (const auto any = busy.tables.batches.at_or_before({{topic_id(9), {}}, {}})) {
          const auto& [key, row] = *any;
          const relocated_command moved{{key}, row.at.bytes, {row.at.segment, row.at.position}};
          busy.machine.apply(moved, {journal::generation(1'000 + i), 4096, row.at.bytes});
        }
      }
    }
    CHECK(logical_dump(plain.tables) == logical_dump(busy.tables));
    check_live_bytes(plain.tables);
    check_live_bytes(busy.tables);
    while (busy.machine.collect_garbage(100)) {
    }
    CHECK(logical_dump(plain.tables) == logical_dump(busy.tables));
    check_live_bytes(busy.tables);
  }
}

TEST_CASE("a replay from any flush gives the state that was") {
  for (std::uint64_t seed = 100; seed <= 105; ++seed) {
    CAPTURE(seed);
    generator generated(seed);
    std::vector<command> commands;
    for (std::size_t i = 0; i < 300; ++i) commands.push_back(generated.next());
    node original;
    std::vector<std::pair<std::size_t, sim_store>> flushes{{0, original.store}};
    for (std::size_t i = 0; i < commands.size(); ++i) {
      original.machine.apply(commands[i], place_of(i, commands[i]));
      if (i % 23 == 0) original.machine.collect_garbage(5);
      if (i % 17 == 0) original.flush(), flushes.emplace_back(i + 1, original.store);
    }
    const std::string expected = logical_dump(original.tables);
    for (const auto& [from, store] : flushes) {
      CAPTURE(from);
      node replaying(store);
      for (std::size_t i = from; i < commands.size(); ++i)
        replaying.machine.apply(commands[i], place_of(i, commands[i]));
      CHECK(logical_dump(replaying.tables) == expected);
      check_live_bytes(replaying.tables);
    }
  }
}

TEST_CASE("garbage is cleared away in slices of the size asked for") {
  node n;
  REQUIRE_FALSE(n.machine.apply(create_topic_command{"t", {.partitions = 2}, false, {}, 10}, {}).why);
  for (std::size_t i = 0; i < 100; ++i) {
    append_command append;
    append.to = {topic_id(1), partition_id(i % 2)};
    append.records = 1;
    append.batch_bytes = 100;
    n.machine.apply(append, place_of(i, append));
  }
  n.flush();
  n.machine.apply(delete_topic_command{topic_id(1)}, {});
  const auto rows = [&] {
    std::size_t count = 0;
    n.tables.batches.scan({}, [&](const auto&, const auto&) { return ++count > 0; });
    return count;
  };
  for (std::size_t left = 100; left > 0; left -= 10) {
    CHECK(rows() == left);
    CHECK(n.machine.collect_garbage(10));
  }
  CHECK_FALSE(n.machine.collect_garbage(10));
  check_live_bytes(n.tables);
}

}  // namespace skald::shard
