// Units of work, and what an index of keys shows of them.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/system/model/world.hpp"

namespace skald::tests {

namespace {

template <class Call>
errc code_of(Call call) {
  try {
    call();
    return errc::ok;
  } catch (const error& why) {
    return static_cast<errc>(why.code().value());
  }
}

}  // namespace

void world::append_version() {
  const std::string key = some_key();
  const std::string value = new_value();
  const auto known = model_.keys.find(key);
  const std::uint64_t version = known == model_.keys.end() ? 0 : known->second.values.size();
  const std::uint64_t expected = one_in(3) ? below(version + 3) : version;
  commit effect;
  effect.append("keyed", {.key = key, .value = value}).expect_version(expected);
  try {
    const committed done = client_.commit(std::move(effect));
    REQUIRE(expected == version);
    appended("keyed", done.appends.at(0), {key, value});
  } catch (const commit_refused& why) {
    REQUIRE(expected != version);
    CHECK(why.code() == errc::version_conflict);
    CHECK(why.what_part() == commit_refused::part::append);
    CHECK(why.index() == 0);
    CHECK(why.actual_version() == version);
  }
}

void world::commit_several() {
  struct planned {
    std::string topic;
    stored what;
    std::string timer;
    timestamp due{};
  };
  std::vector<planned> plan;
  commit effect;
  std::map<std::string, std::uint64_t> versions;  // as the commit will have changed them
  std::optional<std::size_t> wrong;               // the append that must be refused
  const std::size_t count = 1 + below(5);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string value = new_value();
    switch (below(4)) {
      case 0:
        effect.append("log", {.value = value, .partition = partition_id(1)});
        plan.push_back({"log", {{}, value}, {}});
        break;
      case 1:
        effect.append("work", {.value = value});
        plan.push_back({"work", {{}, value}, {}});
        break;
      case 2: {
        const std::string timer = some_timer();
        const timestamp due = far_from_now();
        effect.set_timer(timer, due, "due", {.value = value});
        plan.push_back({"due", {{}, value}, timer, due});
        break;
      }
      default: {
        const std::string key = some_key();
        if (!versions.contains(key)) {
          const auto known = model_.keys.find(key);
          versions[key] = known == model_.keys.end() ? 0 : known->second.values.size();
        }
        const bool right = wrong || !one_in(8);
        if (!right) wrong = plan.size();
        effect.append("keyed", {.key = key, .value = value}).expect_version(versions[key] + (right ? 0 : 1));
        ++versions[key];
        plan.push_back({"keyed", {key, value}, {}});
      }
    }
  }
  const bool unknown_timer = one_in(10);
  if (unknown_timer) effect.cancel_timer("nobody/nothing");
  try {
    const committed done = client_.commit(std::move(effect));
    REQUIRE_FALSE(wrong.has_value());
    REQUIRE_FALSE(unknown_timer);
    REQUIRE(done.appends.size() == plan.size());
    for (std::size_t i = 0; i < plan.size(); ++i) {
      CHECK(done.appends[i].waits == !plan[i].timer.empty());
      if (plan[i].timer.empty()) {
        appended(plan[i].topic, done.appends[i], plan[i].what);
      } else {
        model_.timers[plan[i].timer] = plan[i].due;
      }
    }
  } catch (const commit_refused& why) {
    REQUIRE((wrong || unknown_timer));
    // Timers take effect first, and are checked first.
    CHECK(why.code() == (unknown_timer ? errc::unknown_timer : errc::version_conflict));
    CHECK(why.what_part() == (unknown_timer ? commit_refused::part::timer : commit_refused::part::append));
    CHECK(why.index() == (unknown_timer ? 0 : *wrong));
  }
}

void world::read_key() {
  const std::string key = some_key();
  const auto known = model_.keys.find(key);
  const std::size_t count = known == model_.keys.end() ? 0 : known->second.values.size();
  const std::uint64_t from = 1 + below(count + 2);
  if (count == 0) {
    CHECK(code_of([&] { client_.read_key("keyed", key); }) == errc::unknown_key);
    return;
  }
  const key_records found = client_.read_key("keyed", key, {.from_version = from, .limit = 10});
  CHECK(found.version == count);
  REQUIRE(found.versions.size() == std::min<std::size_t>(10, count < from ? 0 : count - from + 1));
  std::size_t i = 0;
  for (const record& one : found.records) {
    REQUIRE(found.versions.at(i) == from + i);
    REQUIRE(one.key() == key);
    REQUIRE(one.value() == known->second.values.at(from + i - 1));
    ++i;
  }
  CHECK(i == found.versions.size());
}

void world::list_keys() {
  const std::string prefix = one_in(2) ? "k1" : "";
  std::map<std::string, std::uint64_t> expected;
  for (const auto& [key, history] : model_.keys)
    if (key.starts_with(prefix)) expected[key] = history.values.size();
  std::map<std::string, std::uint64_t> found;
  for (const key_info& each : client_.list_keys("keyed", {.prefix = prefix})) found[each.key] = each.version;
  CHECK(found == expected);
}

}  // namespace skald::tests
