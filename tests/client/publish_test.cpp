#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;

TEST_SUITE("publish") {
  TEST_CASE_FIXTURE(async_fixture,
                    "records published without waiting keep their order and are all acknowledged") {
    server.add_topic("t");
    constexpr std::uint64_t count = 500;
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t i = 0; i < count; ++i)
      broker->publish("t", {.value = std::to_string(i)}, {},
                      [&](std::exception_ptr why, const published& where) {
                        CHECK(!why);
                        offsets.push_back(where.offset->value());
                      });
    until([&] { return offsets.size() == count; });
    for (std::uint64_t i = 0; i < count; ++i) CHECK(offsets[i] == i);
    CHECK(stored("t")[count - 1] == std::to_string(count - 1));
    CHECK(server.requests[wire::Body::Publish] < 10);  // they travel together
  }

  TEST_CASE_FIXTURE(async_fixture, "what the broker refuses, and what never can be") {
    server.add_topic("t");
    const auto publish = [&](std::string_view topic, const message& what) {
      return code_of([&] {
        run([](skald::client& to, std::string_view name, const message& record) -> asio::awaitable<void> {
          co_await to.publish(name, record);
        }(*broker, topic, what));
      });
    };
    CHECK(publish("nowhere", {.value = "x"}) == errc::unknown_topic);
    CHECK(publish("bad name", {.value = "x"}) == errc::invalid_topic_name);
    CHECK(publish("t", {.value = "x", .partition = partition_id(7)}) == errc::unknown_partition);
    const std::string large((1u << 20) + 1, 'x');
    CHECK(publish("t", {.value = large}) == errc::record_too_large);
    server.refuse_append = [](const wire::Append&) { return errc::topic_full; };
    CHECK(publish("t", {.value = "x"}) == errc::topic_full);
    server.refuse_append = {};
    CHECK(publish("t", {.value = "x"}) == errc::ok);
  }

  TEST_CASE_FIXTURE(async_fixture, "a full disk is waited out") {
    server.add_topic("t");
    int refusals = 0;
    server.refuse_append = [&](const wire::Append&) {
      return ++refusals <= 3 ? errc::storage_full : errc::ok;
    };
    run([](skald::client& to) -> asio::awaitable<void> {
      CHECK((co_await to.publish("t", {.value = "x"})).offset == offset(0));
    }(*broker));
    CHECK(refusals == 4);
  }

  TEST_CASE_FIXTURE(async_fixture, "the timeout of one publish") {
    server.add_topic("t");
    server.script = [](const wire::Frame& frame) {
      return frame.body_type() == wire::Body::Publish ? action::ignore : action::serve;
    };
    CHECK(code_of([&] {
            run([](skald::client& to) -> asio::awaitable<void> {
              co_await to.publish("t", {.value = "x"}, {.timeout = 20ms});
            }(*broker));
          }) == errc::deadline_exceeded);
  }
}
