#include "broker/state/tables.hpp"

#include <doctest/doctest.h>

#include "tests/broker/state/sim_store.hpp"

namespace skald::state {

namespace {

const partition_key first{topic_id(1), partition_id(0)};

void flush(tables& of, testing::sim_store& to) {
  const frozen_tables frozen = of.freeze();
  REQUIRE(to.commit(frozen.write).has_value());
  of.thaw();
}

}  // namespace

TEST_CASE("tables are as they were after a flush and a restart") {
  testing::sim_store store;
  {
    tables before(store);
    before.meta.next_topic = topic_id(2);
    before.meta.replay_from = {journal::sequence(9), journal::generation(1), 4096};
    before.topics.put(topic_id(1), {.name = "a", .created = {}, .settings = {}});
    before.partitions.put(first, {});
    before.batches.put({first, offset(0)}, {});
    before.segments.edit_or_add(journal::generation(1)).live_bytes = 100;
    flush(before, store);
    before.partitions.edit(first)->end = offset(5);
    before.partitions.put({topic_id(1), partition_id(1)}, {});
    before.topics.erase(topic_id(1));
    flush(before, store);
    before.meta.next_topic = topic_id(77);  // never flushed
  }
  const tables after(store);
  CHECK(after.meta.next_topic == topic_id(2));
  CHECK(after.meta.replay_from.next == journal::sequence(9));
  CHECK(after.topics.empty());
  CHECK(after.partitions.size() == 2);
  CHECK(after.partitions.find(first)->end == offset(5));
  CHECK(after.batches.get({first, offset(0)}));
  CHECK(after.segments.find(journal::generation(1))->live_bytes == 100);
}

TEST_CASE("a state of an older schema is written as this one") {
  testing::sim_store store;
  {
    tables of(store);
    flush(of, store);
    std::string older;
    of.meta.schema = schema_version_oldest;
    encode(of.meta, older);
    store.of(table_id::meta).begin()->second = older;
  }
  CHECK(load_meta(store).schema == schema_version_oldest);
  tables of(store);
  flush(of, store);
  CHECK(load_meta(store).schema == schema_version);
}

TEST_CASE("what is frozen is not changed by what comes after") {
  testing::sim_store store;
  tables changing(store);
  changing.partitions.put(first, {});
  changing.segments.edit_or_add(journal::generation(3)).live_bytes = 10;
  const frozen_tables frozen = changing.freeze();
  changing.partitions.edit(first)->end = offset(99);
  changing.segments.edit_or_add(journal::generation(3)).live_bytes = 0;
  changing.batches.put({first, offset(0)}, {});
  REQUIRE(store.commit(frozen.write).has_value());
  CHECK(frozen.live_bytes == std::vector{std::pair(journal::generation(3), std::uint64_t{10})});
  const tables stored(store);
  CHECK(stored.partitions.find(first)->end == offset(0));
  CHECK_FALSE(stored.batches.get({first, offset(0)}));
  CHECK(changing.partitions.find(first)->end == offset(99));
}

TEST_CASE("a resident row that is erased and made again between two flushes is stored as it is now") {
  testing::sim_store store;
  tables changing(store);
  changing.garbage.put(first, {.from = offset(1), .to = offset(2)});
  flush(changing, store);
  changing.garbage.erase(first);
  changing.garbage.put(first, {.from = offset(3), .to = offset(4)});
  flush(changing, store);
  CHECK(changing.changed_rows() == 0);
  CHECK(tables(store).garbage.find(first)->from == offset(3));
  changing.garbage.erase(first);
  flush(changing, store);
  CHECK(tables(store).garbage.empty());
}

}  // namespace skald::state
