#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;

TEST_SUITE("administration") {
  TEST_CASE_FIXTURE(async_fixture, "topics are created, altered, described, listed and deleted") {
    run([](skald::client& to) -> asio::awaitable<void> {
      co_await to.create_topic("b", {.partitions = 2, .retention_ms = 1'000});
      for (const char* name : {"a", "c", "d", "e"}) co_await to.create_topic(name);
      co_await to.alter_topic("b", {.partitions = 4});
      const auto described = co_await to.describe_topic("b");
      CHECK(described.name == "b");
      CHECK(described.settings.partitions == 4);
      CHECK(described.settings.retention_ms == 1'000);
      CHECK(described.partitions.size() == 4);
      CHECK(described.created == timestamp(1'000ms));
      std::string names;
      for (const auto& topic : co_await to.list_topics()) names += topic.name;  // over several pages
      CHECK(names == "abcde");
      co_await to.delete_topic("b");
      CHECK((co_await to.list_topics()).size() == 4);
    }(*broker));
  }

  TEST_CASE_FIXTURE(async_fixture, "what the broker refuses is thrown with its words") {
    server.add_topic("t");
    std::string message;
    CHECK(
        code_of(
            [&] {
              run([](skald::client& to) -> asio::awaitable<void> { co_await to.create_topic("t"); }(*broker));
            },
            &message) == errc::topic_exists);
    CHECK(message == "topic \"t\" exists");
    CHECK(code_of([&] {
            run([](skald::client& to) -> asio::awaitable<void> { co_await to.describe_topic("u"); }(*broker));
          }) == errc::unknown_topic);
    CHECK(code_of([&] {
            run([](skald::client& to) -> asio::awaitable<void> {
              co_await to.create_topic("t", {}, {.if_absent = true});
            }(*broker));
          }) == errc::ok);
  }

  TEST_CASE_FIXTURE(async_fixture, "offsets by beginning, end and time; fetching; status") {
    server.add_topic("t", 2);
    run([](skald::client& to) -> asio::awaitable<void> {
      for (int i = 0; i < 5; ++i)
        co_await to.publish(
            "t", {.value = "v", .partition = partition_id(1), .time = timestamp(milliseconds(1'000 + i))});
      const auto ends = co_await to.list_offsets("t");
      CHECK(ends[1].offset == offset(5));
      const std::array one{partition_id(1)};
      const auto timed = co_await to.list_offsets("t", {.at = timestamp(1'003ms), .partitions = one});
      REQUIRE(timed.size() == 1);
      CHECK(timed[0].offset == offset(3));
      const auto fetched = co_await to.fetch("t", partition_id(1), offset(2));
      CHECK(fetched.size() == 3);
      CHECK(fetched.begin()->time() == timestamp(1'002ms));
      CHECK(fetched.high_watermark() == offset(5));
      CHECK((co_await to.status()).broker_id == "fake");
    }(*broker));
    CHECK(code_of([&] {
            run([](skald::client& to) -> asio::awaitable<void> {
              co_await to.fetch("t", partition_id(1), offset(9));
            }(*broker));
          }) == errc::offset_out_of_range);
  }

  TEST_CASE_FIXTURE(async_fixture,
                    "an answer that does not come: deadline_exceeded, and the client goes on") {
    server.script = [](const wire::Frame& frame) {
      return frame.body_type() == wire::Body::DeleteTopic ? action::ignore : action::serve;
    };
    server.add_topic("t");
    // The request is sent at once, so that its timeout runs out while only the answer is awaited.
    run([](skald::client& to) -> asio::awaitable<void> { co_await to.connect(); }(*broker));
    std::string message;
    CHECK(code_of(
              [&] {
                run([](skald::client& to) -> asio::awaitable<void> {
                  co_await to.delete_topic("t", {.timeout = 200ms});
                }(*broker));
              },
              &message) == errc::deadline_exceeded);
    CHECK(message.find("may have happened") != std::string::npos);
    run([](skald::client& to) -> asio::awaitable<void> { co_await to.describe_topic("t"); }(*broker));
  }
}
