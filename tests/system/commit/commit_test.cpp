// The unit of work through the real client and the real broker: both styles, refusals, reading by key.
#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <skald/skald.hpp>
#include <string>
#include <vector>

#include "tests/system/commit/refusal_of.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

namespace asio = boost::asio;

struct commit_fixture {
  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path()};
  std::string address = server.address();
  blocking_client broker{{.address = address}};

  commit_fixture() {
    broker.create_topic("plain", {.partitions = 3});
    broker.create_topic("events", {.partitions = 3, .index = topic_index::key});
  }

  std::vector<std::string> values(std::string_view key, read_key_options options = {}) {
    std::vector<std::string> all;
    for (const record& one : broker.read_key("events", key, options).records)
      all.emplace_back(one.value().value_or("(none)"));
    return all;
  }
  std::uint64_t records_in(std::string_view topic) { return broker.describe_topic(topic).records; }
};

using texts = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(commit_fixture, "a unit of work appends to several topics, by key and by partition") {
  commit effect;
  effect.append("plain", {.key = "42", .value = "one"});
  effect.append("events", {.key = "42", .value = "two"});
  effect.append("plain", {.value = "three", .partition = partition_id(2)});
  const committed done = broker.commit(std::move(effect));
  CHECK(effect.empty());
  REQUIRE(done.appends.size() == 3);
  // Equal keys are in the same partition of every topic, which is the one that publish() chooses as well.
  const published same = broker.publish("plain", {.key = "42", .value = "next"});
  CHECK(done.appends[0].partition == same.partition);
  CHECK(done.appends[1].partition == same.partition);
  CHECK(done.appends[1].version == 1);
  CHECK(done.appends[2].partition == partition_id(2));
  CHECK(values("42") == texts{"two"});
}

TEST_CASE_FIXTURE(commit_fixture, "a conflict names the part and the version, and changes nothing") {
  commit first;
  first.append("events", {.key = "k", .value = "one"}).expect_version(0);
  broker.commit(std::move(first));

  commit stale;
  stale.append("plain", {.key = "k", .value = "never"});
  stale.append("events", {.key = "k", .value = "never"}).expect_version(5);
  const commit_refused why = refusal_of([&] { broker.commit(std::move(stale)); });
  CHECK(why.code() == errc::version_conflict);
  CHECK(why.what_part() == commit_refused::part::append);
  CHECK(why.index() == 1);
  CHECK(why.actual_version() == 1);
  CHECK(records_in("plain") == 0);
  CHECK(values("k") == texts{"one"});
}

TEST_CASE_FIXTURE(commit_fixture, "a message id that is known makes an append a duplicate") {
  const auto send = [&] {
    commit effect;
    effect.append("events", {.key = "k", .value = "once"}).message_id("m-1");
    effect.append("plain", {.key = "k", .value = "again"});
    return broker.commit(std::move(effect));
  };
  const committed first = send();
  const committed second = send();
  CHECK_FALSE(first.appends[0].duplicate);
  CHECK(second.appends[0].duplicate);
  CHECK(second.appends[0].offset == first.appends[0].offset);
  CHECK(values("k") == texts{"once"});
  CHECK(records_in("plain") == 2);
}

TEST_CASE_FIXTURE(commit_fixture, "what no broker would store is refused with the part to blame") {
  const auto refused = [&](std::string_view topic, const message& what) {
    commit effect;
    effect.append("plain", {.key = "k", .value = "fine"});
    effect.append(topic, what);
    return refusal_of([&] { broker.commit(std::move(effect)); });
  };
  CHECK(refused("missing", {.key = "k", .value = "v"}).code() == errc::unknown_topic);
  CHECK(refused("bad name", {.key = "k", .value = "v"}).code() == errc::invalid_topic_name);
  CHECK(refused("events", {.value = "v"}).code() == errc::key_required);
  const std::string long_key(241, 'k');
  CHECK(refused("events", {.key = long_key, .value = "v"}).code() == errc::key_too_large);
  CHECK(refused("plain", {.value = "v", .partition = partition_id(3)}).code() == errc::unknown_partition);
  CHECK(refused("plain", {.value = "v", .partition = partition_id(3)}).index() == 1);
  CHECK(records_in("plain") == 0);
}

TEST_CASE_FIXTURE(commit_fixture,
                  "a key is read from any version, page by page, and its newest record alone") {
  for (int i = 1; i <= 5; ++i) broker.publish("events", {.key = "k", .value = "v" + std::to_string(i)});
  broker.publish("events", {.key = "other", .value = "x"});
  CHECK(values("k") == texts{"v1", "v2", "v3", "v4", "v5"});
  CHECK(values("k", {.from_version = 4}) == texts{"v4", "v5"});
  CHECK(values("k", {.from_version = 2, .limit = 2}) == texts{"v2", "v3"});
  CHECK(values("k", {.latest = true}) == texts{"v5"});
  const key_records page = broker.read_key("events", "k", {.from_version = 2, .limit = 2});
  CHECK(page.version == 5);
  CHECK(page.versions == std::vector<std::uint64_t>{2, 3});
  for (const record& one : page.records) CHECK(one.key() == "k");
  CHECK_THROWS_AS(broker.read_key("events", "nobody"), const error&);
  CHECK_THROWS_AS(broker.read_key("plain", "k"), const error&);
}

TEST_CASE_FIXTURE(commit_fixture, "the offsets of a key's records are those of the partition") {
  published last;
  for (int i = 0; i < 3; ++i) {
    broker.publish("events", {.key = "between", .value = "x", .partition = partition_id(0)});
    last = broker.publish("events", {.key = "k", .value = "v", .partition = partition_id(0)});
  }
  const key_records found = broker.read_key("events", "k", {.partition = partition_id(0)});
  std::vector<std::uint64_t> offsets;
  for (const record& one : found.records) offsets.push_back(one.offset().value());
  CHECK(offsets == std::vector<std::uint64_t>{1, 3, 5});
  CHECK(last.offset == offset(5));
}

TEST_CASE_FIXTURE(commit_fixture, "keys are listed over all partitions, by prefix, without removed ones") {
  for (const char* key : {"b/2", "a/1", "b/1", "b/3"}) broker.publish("events", {.key = key, .value = "v"});
  broker.publish("events", {.key = "b/2", .value = std::nullopt});
  texts all;
  for (const key_info& one : broker.list_keys("events", {.prefix = "b/"})) all.push_back(one.key);
  CHECK(all == texts{"b/1", "b/3"});
  CHECK(broker.list_keys("events").size() == 3);
}

TEST_CASE_FIXTURE(commit_fixture, "the asynchronous client commits many at a time, and in any number") {
  asio::io_context io;
  client to(io.get_executor(), {.address = address});
  constexpr int count = 3'000;  // more than may be unanswered at a time
  int done = 0;
  for (int i = 0; i < count; ++i) {
    commit effect;
    effect.append("plain", {.key = std::to_string(i % 7), .value = "v"});
    effect.append("events", {.key = std::to_string(i % 7), .value = std::to_string(i)});
    to.commit(std::move(effect), {}, [&](const std::exception_ptr& failed, const committed&) {
      CHECK_FALSE(failed);
      if (++done == count) to.close();
    });
  }
  io.run();
  CHECK(done == count);
  CHECK(records_in("plain") == count);
  CHECK(broker.read_key("events", "0", {.latest = true}).version == (count + 6) / 7);
}

TEST_CASE_FIXTURE(commit_fixture, "a commit is written in one expression of a coroutine") {
  asio::io_context io;
  client to(io.get_executor(), {.address = address});
  std::uint64_t version = 0;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        commit effect;
        effect.append("events", {.key = "k", .value = "v"}).expect_version(0).message_id("m");
        version = (co_await to.commit(std::move(effect))).appends.at(0).version;
        const key_records found = co_await to.read_key("events", "k");
        CHECK(found.records.size() == 1);
        CHECK((co_await to.list_keys("events", {.prefix = "k"})).size() == 1);
        to.close();
      },
      [](const std::exception_ptr& failed) {
        if (failed) std::rethrow_exception(failed);
      });
  io.run();
  CHECK(version == 1);
}

}  // namespace skald::tests
