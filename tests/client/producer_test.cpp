#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;

namespace {

bool says_publish(const wire::Frame& frame) {
  return frame.body_type() == wire::Body::Publish;
}

}  // namespace

TEST_SUITE("producer") {
  TEST_CASE_FIXTURE(async_fixture, "try_send fills the buffer, flush empties it, reports add up") {
    server.add_topic("t", 3);
    producer out(*broker, {.batch_bytes = 4'000});
    std::uint64_t reported = 0;
    std::uint64_t stored_records = 0;
    out.on_delivery([&](const delivery_report& report) {
      CHECK(!report.failed);
      CHECK(report.topic == "t");
      CHECK(report.base_offset.has_value());
      reported += report.records;
    });
    for (int i = 0; i < 1'000; ++i) REQUIRE(out.try_send("t", {.key = std::to_string(i), .value = "value"}));
    run([](producer& from) -> asio::awaitable<void> { co_await from.flush(); }(out));
    CHECK(reported == 1'000);
    for (std::uint32_t i = 0; i < 3; ++i) stored_records += server.topics.at("t").partitions[i].end;
    CHECK(stored_records == 1'000);
    CHECK(out.statistics().acknowledged_records == 1'000);
    CHECK(out.statistics().buffered_bytes == 0);
  }

  TEST_CASE_FIXTURE(async_fixture, "a full buffer: try_send says so, send waits") {
    server.add_topic("t");
    producer out(*broker, {.batch_bytes = 1'000, .buffer_bytes_max = 5'000});
    const std::string value(500, 'x');
    int accepted = 0;
    while (out.try_send("t", {.value = value})) ++accepted;
    CHECK(accepted == 9);
    run([](producer& from, const std::string& text) -> asio::awaitable<void> {
      for (int i = 0; i < 50; ++i) co_await from.send("t", {.value = text});
      co_await from.flush();
    }(out, value));
    CHECK(stored("t").size() == 59);
  }

  TEST_CASE_FIXTURE(async_fixture, "records sent while the buffer is full stay in order") {
    server.add_topic("t");
    producer out(*broker, {.buffer_bytes_max = 200});
    std::size_t sent = 0;
    std::vector<std::string> expected;
    for (int i = 0; i < 100; ++i) {
      expected.push_back(std::to_string(i));
      out.send("t", {.value = std::to_string(i)}, [&](std::exception_ptr why) {
        CHECK(!why);
        ++sent;
      });
    }
    until([&] { return sent == 100; });
    run([](producer& from) -> asio::awaitable<void> { co_await from.flush(); }(out));
    CHECK(stored("t") == expected);
  }

  TEST_CASE_FIXTURE(async_fixture, "a failure that nobody was told about makes the next flush throw, once") {
    server.add_topic("t");
    producer out(*broker);
    server.refuse_append = [](const wire::Append&) { return errc::topic_full; };
    for (int i = 0; i < 3; ++i) REQUIRE(out.try_send("t", {.value = "x"}));
    const auto flush = [&](std::string* message = nullptr) {
      return code_of(
          [&] { run([](producer& from) -> asio::awaitable<void> { co_await from.flush(); }(out)); }, message);
    };
    std::string message;
    CHECK(flush(&message) == errc::topic_full);
    CHECK(message.starts_with("3 records failed"));
    CHECK(flush() == errc::ok);
    SUBCASE("not one that was awaited") {
      CHECK(code_of([&] {
              run([](producer& from) -> asio::awaitable<void> {
                co_await from.publish("t", {.value = "x"});
              }(out));
            }) == errc::topic_full);
      CHECK(flush() == errc::ok);
    }
    SUBCASE("nor one that was reported") {
      int failed = 0;
      out.on_delivery([&](const delivery_report& report) {
        failed += report.failed && report.failed->code() == errc::topic_full;
      });
      REQUIRE(out.try_send("t", {.value = "x"}));
      CHECK(flush() == errc::ok);
      CHECK(failed == 1);
    }
  }

  TEST_CASE_FIXTURE(
      async_fixture,
      "connections cut at each publish, before it is done or after: each record once, in order") {
    for (const auto cut : {action::cut_before, action::cut_after})
      for (int at = 1; at <= 6; ++at) {
        CAPTURE(at);
        server.add_topic("t");
        server.duplicates = 0;
        int seen = 0;
        server.script = [&](const wire::Frame& frame) {
          return says_publish(frame) && ++seen == at ? cut : action::serve;
        };
        producer out(*broker, {.batch_bytes = 200});
        std::vector<std::string> expected;
        run([](producer& from, std::vector<std::string>& values) -> asio::awaitable<void> {
          for (int round = 0; round < 6; ++round) {
            for (int i = 0; i < 40; ++i) {
              values.push_back(std::to_string(round) + "-" + std::to_string(i));
              co_await from.send("t", {.value = values.back()});
            }
            co_await from.flush();
          }
        }(out, expected));
        CHECK(stored("t") == expected);
        CHECK(server.duplicates == (cut == action::cut_after ? 1 : 0));
      }
  }

  TEST_CASE_FIXTURE(async_fixture, "several lost answers at once are all repeated") {
    server.add_topic("t", 4);
    int lost = 0;
    server.script = [&](const wire::Frame& frame) {
      if (!says_publish(frame)) return action::serve;
      return ++lost <= 3 ? action::cut_after : action::serve;
    };
    producer out(*broker, {.batch_bytes = 300});
    run([](producer& from) -> asio::awaitable<void> {
      for (int i = 0; i < 400; ++i) co_await from.send("t", {.key = std::to_string(i), .value = "v"});
      co_await from.flush();
    }(out));
    std::uint64_t records = 0;
    for (std::uint32_t i = 0; i < 4; ++i) records += server.topics.at("t").partitions[i].end;
    CHECK(records == 400);
    CHECK(server.duplicates > 0);
  }

  TEST_CASE_FIXTURE(async_fixture, "memory and compression are asked for, and what was achieved is told") {
    server.add_topic("t");
    durability asked{};
    server.script = [&](const wire::Frame& frame) {
      if (says_publish(frame)) asked = static_cast<durability>(frame.body_as_Publish()->durability());
      return action::serve;
    };
    producer out(*broker, {.durability = durability::memory, .compression = compression::zstd});
    run([](producer& from) -> asio::awaitable<void> {
      const std::string value(5'000, 'z');
      CHECK((co_await from.publish("t", {.value = value})).durability == durability::memory);
    }(out));
    CHECK(asked == durability::memory);
    CHECK(server.topics.at("t").partitions[0].batches[0].bytes.size() < 500);
  }

  TEST_CASE_FIXTURE(async_fixture, "nobody answers: delivery_timeout ends it, and flush with it") {
    server.add_topic("t");
    server.script = [](const wire::Frame& frame) {
      return says_publish(frame) ? action::ignore : action::serve;
    };
    producer out(*broker, {.delivery_timeout = 30ms});
    REQUIRE(out.try_send("t", {.value = "x"}));
    CHECK(code_of([&] {
            run([](producer& from) -> asio::awaitable<void> { co_await from.flush(); }(out));
          }) == errc::deadline_exceeded);
  }

  TEST_CASE_FIXTURE(async_fixture, "destroying a producer, or closing the client, ends what waits") {
    server.add_topic("t");
    server.script = [](const wire::Frame& frame) {
      return says_publish(frame) ? action::ignore : action::serve;
    };
    std::optional<producer> out(std::in_place, *broker);
    std::vector<errc> codes;
    const auto note = [&](std::exception_ptr why, auto&&...) {
      codes.push_back(code_of([&] {
        if (why) std::rethrow_exception(why);
      }));
    };
    out->publish("t", {.value = "x"}, note);
    SUBCASE("producer") {
      out.reset();
    }
    SUBCASE("client") {
      broker.reset();
      CHECK(code_of([&] { out->try_send("t", {.value = "x"}); }) == errc::closed);
    }
    until([&] { return codes.size() == 1; });
    CHECK(codes[0] == errc::closed);
  }

  TEST_CASE_FIXTURE(async_fixture,
                    "of two producers with one name the later one goes on, the other has failed") {
    server.add_topic("t", 2);
    producer first(*broker, {.name = "feed"});
    const auto publish = [&](producer& by, std::uint32_t partition, std::string_view value) {
      return code_of([&] {
        run([](producer& from, std::uint32_t to, std::string_view text) -> asio::awaitable<void> {
          co_await from.publish("t", {.value = text, .partition = partition_id(to)});
        }(by, partition, value));
      });
    };
    CHECK(publish(first, 0, "a") == errc::ok);
    client other(io.get_executor(), options());
    producer second(other, {.name = "feed"});
    CHECK(publish(second, 1, "b") == errc::ok);
    CHECK(publish(first, 0, "c") == errc::fenced_producer);
    CHECK(publish(first, 1, "d") == errc::fenced_producer);
    CHECK(code_of([&] { first.try_send("t", {.value = "e"}); }) == errc::fenced_producer);
    CHECK(code_of([&] {
            run([](producer& from) -> asio::awaitable<void> { co_await from.flush(); }(first));
          }) == errc::fenced_producer);
    CHECK(publish(second, 0, "f") == errc::ok);
    CHECK(stored("t", 0) == std::vector<std::string>{"a", "f"});
    CHECK(stored("t", 1) == std::vector<std::string>{"b"});
  }

  TEST_CASE_FIXTURE(async_fixture,
                    "a named producer takes its name without a record, and keeps it when it reconnects") {
    server.add_topic("t");
    producer out(*broker, {.name = "feed"});
    until([&] { return server.producers.contains("feed"); });
    server.cut_connections();
    run([](producer& from) -> asio::awaitable<void> { co_await from.publish("t", {.value = "a"}); }(out));
    CHECK(server.connections == 2);
    CHECK(server.producers.at("feed").epoch == 0);
    CHECK(stored("t") == std::vector<std::string>{"a"});
  }
}
