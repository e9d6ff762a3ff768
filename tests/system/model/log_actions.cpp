// Plain records, message ids, reading, and the consumer group.
#include <array>

#include <doctest/doctest.h>

#include "tests/system/model/world.hpp"

namespace skald::tests {

namespace {

std::string colour_of(const record& one) {
  for (const header each : one.headers())
    if (each.key == "colour") return std::string(each.value.value());
  return {};
}

}  // namespace

void world::publish() {
  const partition_id to(static_cast<std::uint32_t>(below(2)));
  const std::size_t count = 1 + below(5);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string value = new_value();
    const std::string colour = some_colour();
    const std::array headers{header{"origin", "model"}, header{"colour", colour}};
    publish_options options;
    if (one_in(8)) options.ttl = std::chrono::hours(1);
    const published done =
        client_.publish("log", {.value = value, .headers = headers, .partition = to}, options);
    REQUIRE(done.partition == to);
    REQUIRE(done.offset);
    appended("log", {.partition = to, .offset = *done.offset}, {{}, value, colour});
  }
}

void world::publish_with_id() {
  const std::string id = "id" + std::to_string(below(200));
  const std::string value = new_value();
  const partition_id to(static_cast<std::uint32_t>(std::hash<std::string>()(id) % 2));
  commit effect;
  effect.append("log", {.value = value, .partition = to}).message_id(id);
  const committed done = client_.commit(std::move(effect));
  REQUIRE(done.appends.size() == 1);
  if (const auto known = model_.ids.find(id); known != model_.ids.end()) {
    CHECK(done.appends[0].duplicate);
    CHECK(done.appends[0].partition.value() == known->second.first);
    CHECK(done.appends[0].offset.value() == known->second.second);
    return;
  }
  appended("log", done.appends[0], {{}, value});
  model_.ids[id] = {to.value(), done.appends[0].offset.value()};
}

void world::read_partition() {
  auto which = model_.records.begin();
  std::advance(which, static_cast<std::ptrdiff_t>(below(model_.records.size())));
  compare(which->first);
}

void world::compare(const model::partition& which) {
  const std::vector<stored>& expected = model_.records[which];
  const partition_id partition(which.second);
  CAPTURE(which.first);
  CAPTURE(which.second);
  std::uint64_t at = expected.empty() ? 0 : below(expected.size());
  while (at < expected.size()) {
    const records some = client_.fetch(which.first, partition, offset(at));
    REQUIRE(some.high_watermark().value() == expected.size());
    for (const record& one : some) {
      REQUIRE(one.offset() == offset(at));
      const stored& wanted = expected[at];
      REQUIRE(one.value() == wanted.value);
      REQUIRE(one.key().has_value() == wanted.key.has_value());
      if (wanted.key) REQUIRE(*one.key() == *wanted.key);
      REQUIRE(colour_of(one) == wanted.colour);
      ++at;
    }
  }
  CHECK(client_.fetch(which.first, partition, offset(at)).empty());
}

// By key, by the beginning of the key, or by colour; from anywhere to the end.
void world::read_filtered() {
  auto which = model_.records.begin();
  std::advance(which, static_cast<std::ptrdiff_t>(below(model_.records.size())));
  const auto& [of, all] = *which;
  const std::string key = some_key();
  const std::string prefix = key.substr(0, 2);
  const std::string colour = some_colour();
  const std::array headers{header{"colour", colour}};
  const std::uint64_t kind = below(3);
  fetch_options options;
  if (kind == 0) options.filter.key = key;
  if (kind == 1) options.filter.key_prefix = prefix;
  if (kind == 2) options.filter.headers = headers;
  const auto matches = [&](const stored& one) {
    if (kind == 2) return one.colour == colour;
    return one.key && (kind == 0 ? *one.key == key : one.key->starts_with(prefix));
  };

  const std::uint64_t from = below(all.size() + 1);
  std::uint64_t next = from;
  std::vector<std::uint64_t> found;
  while (next < all.size()) {
    const records some = client_.fetch(of.first, partition_id(of.second), offset(next), options);
    for (const record& one : some) {
      REQUIRE(one.value() == all.at(one.offset().value()).value);
      found.push_back(one.offset().value());
    }
    REQUIRE(some.end_offset().value() > next);
    next = some.end_offset().value();
  }
  std::vector<std::uint64_t> expected;
  for (std::uint64_t at = from; at < all.size(); ++at)
    if (matches(all[at])) expected.push_back(at);
  CHECK(found == expected);
}

void world::read_as_group() {
  if (!member_) {
    member_ = client_.subscribe("log", {.from = earliest,
                                        .group = "readers",
                                        .commit = manual,
                                        .session_timeout = std::chrono::minutes(10)});
    model_.given.clear();
  }
  const auto some = member_->receive_for(milliseconds(below(30)));
  if (some && !some->empty()) {
    const std::uint32_t partition = some->partition().value();
    const std::vector<stored>& expected = model_.records[{"log", partition}];
    for (const record& one : *some) REQUIRE(one.value() == expected.at(one.offset().value()).value);
    std::set<std::uint64_t>& may_be = model_.positions[partition];
    if (may_be.empty()) may_be.insert(none_committed);
    // It goes on where it was, or where the group is to go on.
    const std::uint64_t first = some->begin_offset().value();
    const auto given = model_.given.find(partition);
    CHECK(((given != model_.given.end() && given->second == first) || may_be.contains(first) ||
           (may_be.contains(none_committed) && first == 0)));
    const std::uint64_t next = some->end_offset().value();
    model_.given[partition] = next;
    if (one_in(3)) {
      commit_with_output(*some);
    } else if (one_in(2)) {
      try {
        member_->commit(*some);
        may_be = {next};
      } catch (const error&) {
        // The connection was lost, and with it the answer, or the membership.
        may_be.insert(next);
        member_.reset();
      }
    }
  }
  if (one_in(5)) member_.reset();  // leaves; what was received and not committed comes again
}

// The position and a record that follows from what was read: both or neither, and it is known which.
void world::commit_with_output(const records& done) {
  const std::string output = new_value();
  commit effect;
  effect.acknowledge(*member_, done);
  effect.append("work", {.value = output});
  try {
    const committed made = client_.commit(std::move(effect));
    appended("work", made.appends.at(0), {{}, output});
    model_.positions[done.partition().value()] = {done.end_offset().value()};
  } catch (const commit_refused& why) {
    CHECK(why.what_part() == commit_refused::part::position);
    CHECK(why.index() == 0);
    member_.reset();
  }
}

void world::check_positions() {
  if (model_.positions.empty()) return;
  const group_info group = client_.describe_group("readers");
  for (const auto& [partition, may_be] : model_.positions) {
    bool found = may_be.contains(none_committed);
    for (const group_partition& each : group.partitions)
      if (each.topic == "log" && each.partition.value() == partition && each.position)
        found = may_be.contains(each.position->value());
    CHECK(found);
  }
}

}  // namespace skald::tests
