// A topic that keeps the newest record of each key: whatever compaction has done meanwhile, what is newest is
// there, and what is still there is as it was appended.
#include <doctest/doctest.h>

#include "tests/system/model/world.hpp"

namespace skald::tests {

namespace {

using one_partition = std::map<std::uint64_t, model::revision>;

// Everything that is still stored of a partition, checked against all that it was ever given.
one_partition stored_of(blocking_client& broker, partition_id partition, const one_partition& appended) {
  one_partition found;
  const std::uint64_t end = appended.empty() ? 0 : appended.rbegin()->first + 1;
  for (offset next(0); next.value() < end;) {
    const records some = broker.fetch("latest", partition, next, {.bytes_max = 4'096});
    REQUIRE(some.high_watermark().value() == end);
    REQUIRE(some.end_offset() > next);
    for (const record& each : some) {
      REQUIRE(each.offset() >= next);
      next = each.offset() + 1;
      const auto known = appended.find(each.offset().value());
      REQUIRE(known != appended.end());
      REQUIRE(each.key() == known->second.key);
      REQUIRE(each.value() == known->second.value);
      found.insert(*known);
    }
    next = some.end_offset();
  }
  return found;
}

}  // namespace

void world::put_latest() {
  commit effect;
  std::vector<model::revision> planned;
  const std::size_t count = 1 + below(20);
  for (std::size_t i = 0; i < count; ++i) {
    planned.push_back({some_key(), {}});
    if (!one_in(6)) planned.back().value = new_value();
    effect.append("latest", {.key = planned.back().key, .value = planned.back().value});
  }
  const committed done = client_.commit(std::move(effect));
  REQUIRE(done.appends.size() == count);
  for (std::size_t i = 0; i < count; ++i) {
    const partition_id to = done.appends[i].partition;
    const std::uint64_t at = done.appends[i].offset.value();
    one_partition& appended = model_.latest[to.value()];
    REQUIRE(at == (appended.empty() ? 0 : appended.rbegin()->first + 1));
    appended[at] = planned[i];
    model_.newest[planned[i].key] = {to, offset(at), planned[i].value};
  }
}

void world::read_latest() {
  const std::string key = some_key();
  const auto known = model_.newest.find(key);
  try {
    const key_records found = client_.read_key("latest", key, {.latest = true});
    REQUIRE(known != model_.newest.end());
    REQUIRE(found.records.size() == 1);
    const record newest = *found.records.begin();
    CHECK(newest.offset() == known->second.at);
    CHECK(newest.value() == known->second.value);
  } catch (const error& why) {
    REQUIRE(why.code() == errc::unknown_key);
    CHECK((known == model_.newest.end() || !known->second.value));
  }
}

void world::list_latest() {
  std::map<std::string, offset> expected;
  for (const auto& [key, newest] : model_.newest)
    if (newest.value) expected[key] = newest.at;
  std::map<std::string, offset> found;
  for (const key_info& each : client_.list_keys("latest")) found[each.key] = each.latest;
  CHECK(found == expected);
}

void world::scan_latest() {
  for (const auto& [partition, appended] : model_.latest) {
    const one_partition found = stored_of(client_, partition_id(partition), appended);
    for (const auto& [key, newest] : model_.newest) {
      if (newest.of.value() == partition && newest.value) CHECK(found.contains(newest.at.value()));
    }
  }
}

// In the end something must have been compacted away, or nothing of the above has been tried.
void world::finish_latest() {
  list_latest();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (bool compacted = model_.latest.empty(); !compacted;) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    put_latest();
    scan_latest();
    for (const auto& [partition, appended] : model_.latest)
      compacted |= stored_of(client_, partition_id(partition), appended).size() < appended.size();
  }
}

}  // namespace skald::tests
