#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;

namespace {

errc connect_code(async_fixture& with, connect_options options, std::string* message = nullptr) {
  return code_of(
      [&] {
        with.run([](skald::client& to, connect_options how) -> asio::awaitable<void> {
          co_await to.connect(how);
        }(*with.broker, options));
      },
      message);
}

}  // namespace

TEST_SUITE("reconnect") {
  TEST_CASE_FIXTURE(async_fixture, "nobody listens: connect() says so at once, with the reason") {
    server.stop();
    std::string message;
    CHECK(connect_code(*this, {.timeout = 20s}, &message) == errc::cannot_connect);
    CHECK(message.find(server.address()) != std::string::npos);
    CHECK(message.find("refused") != std::string::npos);
  }

  TEST_CASE_FIXTURE(async_fixture, "operations wait for a broker that comes later") {
    server.add_topic("t");
    server.stop();
    std::optional<std::exception_ptr> ended;
    broker->describe_topic("t", {}, [&](std::exception_ptr why, const topic_info&) { ended = why; });
    CHECK(connect_code(*this, {}) == errc::cannot_connect);
    CHECK(!ended);
    server.start();
    until([&] { return ended.has_value(); });
    CHECK(!*ended);
  }

  TEST_CASE_FIXTURE(async_fixture, "an operation that finds no broker in time says that") {
    server.stop();
    std::string message;
    CHECK(code_of(
              [&] {
                run([](skald::client& to) -> asio::awaitable<void> {
                  co_await to.list_topics({.timeout = 200ms});
                }(*broker));
              },
              &message) == errc::cannot_connect);
    CHECK(message.find("skaldd runs there") != std::string::npos);
  }

  TEST_CASE_FIXTURE(async_fixture, "of several addresses, one that answers is enough") {
    const std::string both = "127.0.0.1:1," + server.address();
    auto other = options();
    other.address = both;
    broker.emplace(io.get_executor(), other);
    CHECK(connect_code(*this, {}) == errc::ok);
  }

  TEST_CASE_FIXTURE(async_fixture, "a port where something else listens") {
    server.script = [](const wire::Frame&) { return action::ignore; };
    auto impatient = options();
    impatient.connect_timeout = 100ms;
    broker.emplace(io.get_executor(), impatient);
    std::string message;
    CHECK(connect_code(*this, {.timeout = 1s}, &message) == errc::cannot_connect);
    CHECK(message.find("is it a skald broker?") != std::string::npos);
  }

  TEST_CASE_FIXTURE(async_fixture, "a broker of another version") {
    server.version = 99;
    std::string message;
    CHECK(connect_code(*this, {.timeout = 1s}, &message) == errc::cannot_connect);
    CHECK(message.find("version 99") != std::string::npos);
  }

  TEST_CASE_FIXTURE(async_fixture, "reading operations survive a cut at each of them") {
    server.add_topic("t");
    for (const auto body : {wire::Body::Status, wire::Body::DescribeTopic, wire::Body::ListTopics,
                            wire::Body::ListOffsets, wire::Body::Fetch})
      for (const auto how : {action::cut_before, action::cut_after}) {
        CAPTURE(wire::EnumNameBody(body));
        bool cut = false;
        server.script = [&](const wire::Frame& frame) {
          return frame.body_type() == body && !std::exchange(cut, true) ? how : action::serve;
        };
        run([](skald::client& to) -> asio::awaitable<void> {
          co_await to.status();
          co_await to.describe_topic("t");
          co_await to.list_topics();
          co_await to.list_offsets("t");
          co_await to.fetch("t", partition_id(0), offset(0));
        }(*broker));
        CHECK(cut);
      }
  }

  TEST_CASE_FIXTURE(async_fixture, "what may have happened is not repeated: connection_lost") {
    server.script = [cut = false](const wire::Frame& frame) mutable {
      return frame.body_type() == wire::Body::CreateTopic && !std::exchange(cut, true) ? action::cut_after
                                                                                       : action::serve;
    };
    std::string message;
    CHECK(
        code_of(
            [&] {
              run([](skald::client& to) -> asio::awaitable<void> { co_await to.create_topic("t"); }(*broker));
            },
            &message) == errc::connection_lost);
    CHECK(message.find("creating topic \"t\"") != std::string::npos);
    CHECK(server.topics.contains("t"));
  }

  TEST_CASE_FIXTURE(async_fixture, "the first steps of a producer survive a cut at each of them") {
    for (const auto body :
         {wire::Body::Hello, wire::Body::DescribeTopic, wire::Body::InitProducer, wire::Body::Publish})
      for (const auto how : {action::cut_before, action::cut_after}) {
        CAPTURE(wire::EnumNameBody(body));
        server.add_topic("t");
        bool cut = false;
        server.script = [&](const wire::Frame& frame) {
          return frame.body_type() == body && !std::exchange(cut, true) ? how : action::serve;
        };
        broker.emplace(io.get_executor(), options());
        run([](skald::client& to) -> asio::awaitable<void> {
          for (const char* value : {"a", "b", "c"}) co_await to.publish("t", {.value = value});
        }(*broker));
        CHECK(cut);
        CHECK(stored("t") == std::vector<std::string>{"a", "b", "c"});
      }
  }

  TEST_CASE_FIXTURE(async_fixture, "a silent connection is noticed and replaced") {
    server.idle_timeout_ms = 60;
    CHECK(connect_code(*this, {}) == errc::ok);
    server.script = [&](const wire::Frame& frame) {
      return frame.body_type() == wire::Body::Ping && server.connections == 1 ? action::ignore
                                                                              : action::serve;
    };
    until([&] { return server.connections >= 2; });
    CHECK(server.requests[wire::Body::Ping] > 0);
  }

  TEST_CASE_FIXTURE(async_fixture, "closing ends what waits, and the executor is left without work") {
    server.stop();
    std::optional<errc> code;
    broker->list_topics({}, [&](std::exception_ptr why, const std::vector<topic_info>&) {
      code = code_of([&] { std::rethrow_exception(why); });
    });
    CHECK(connect_code(*this, {}) == errc::cannot_connect);
    broker->close();
    io.restart();
    io.run_for(patience);
    CHECK(io.stopped());
    REQUIRE(code);
    CHECK(*code == errc::closed);
  }

  TEST_CASE_FIXTURE(async_fixture, "closing after a publish leaves the executor without work at once") {
    server.add_topic("t");
    run([](skald::client& to) -> asio::awaitable<void> {
      co_await to.publish("t", {.value = "x"}, {.timeout = 1h});
    }(*broker));
    skald::producer out(*broker, {.delivery_timeout = 1h});
    run([](skald::producer& through) -> asio::awaitable<void> {
      co_await through.publish("t", {.value = "y"});
    }(out));
    server.stop();
    broker->close();
    io.restart();
    io.run_for(patience);
    CHECK(io.stopped());
  }

  TEST_CASE("an address that is none is refused when the client is made") {
    asio::io_context io;
    CHECK_THROWS_AS(client(io.get_executor(), {.address = "here:there"}), error);
    CHECK_THROWS_AS(blocking_client({.address = ""}), error);
  }
}
