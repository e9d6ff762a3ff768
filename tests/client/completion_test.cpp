// The bridge to Asio: executors, cancellation, other tokens than use_awaitable.
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;
using namespace boost::asio::experimental::awaitable_operators;

namespace {

errc code_in(const std::exception_ptr& why) {
  return code_of([&] {
    if (why) std::rethrow_exception(why);
  });
}

}  // namespace

TEST_SUITE("completion") {
  TEST_CASE_FIXTURE(async_fixture,
                    "a callback is called on the executor bound to it, never inside the call") {
    asio::io_context other;
    std::thread::id called_on;
    std::atomic<bool> called = false;
    bool in_call = true;
    broker->status({}, asio::bind_executor(other.get_executor(),
                                           [&](std::exception_ptr why, const broker_status& status) {
                                             CHECK(!in_call);
                                             CHECK(!why);
                                             CHECK(status.broker_version == "fake");
                                             called_on = std::this_thread::get_id();
                                             called = true;
                                           }));
    in_call = false;
    std::thread runner([&] { other.run(); });  // has work while the operation is outstanding
    const auto runner_id = runner.get_id();
    until([&] { return called.load(); });
    runner.join();
    CHECK(called_on == runner_id);
  }

  TEST_CASE_FIXTURE(async_fixture, "an operation that fails at once still completes later") {
    broker->close();
    bool in_call = true;
    std::optional<errc> code;
    broker->status({}, [&](std::exception_ptr why, const broker_status&) {
      CHECK(!in_call);
      code = code_in(why);
    });
    in_call = false;
    until([&] { return code.has_value(); });
    CHECK(*code == errc::closed);
  }

  TEST_CASE_FIXTURE(async_fixture, "every operation can be cancelled") {
    server.add_topic("t");
    server.script = [](const wire::Frame& frame) {
      return frame.body_type() == wire::Body::Hello ? action::serve : action::ignore;
    };
    producer out(*broker);
    std::vector<std::optional<errc>> codes(8);
    std::vector<asio::cancellation_signal> signals(8);
    std::size_t next = 0;
    const auto token = [&] {
      const auto index = next++;
      return asio::bind_cancellation_slot(
          signals[index].slot(),
          [&codes, index](std::exception_ptr why, auto&&...) { codes[index] = code_in(why); });
    };
    broker->publish("t", {.value = "x"}, {}, token());
    broker->subscribe("t", {}, token());
    broker->describe_topic("t", {}, token());
    broker->list_topics({}, token());
    broker->fetch("t", partition_id(0), offset(0), {}, token());
    broker->create_topic("u", {}, {}, token());
    out.publish("t", {.value = "x"}, token());
    out.flush({}, token());
    until([&] { return server.requests[wire::Body::Fetch] == 1; });
    for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
    until([&] { return std::ranges::all_of(codes, [](const auto& code) { return code.has_value(); }); });
    for (const auto& code : codes) CHECK(*code == errc::cancelled);
  }

  TEST_CASE_FIXTURE(async_fixture, "connecting and receiving can be cancelled by what else is awaited") {
    server.add_topic("t");
    run([](async_fixture& with) -> asio::awaitable<void> {
      auto all = co_await with.broker->subscribe("t", {.from = earliest});
      asio::steady_timer soon(with.io, 5ms);
      auto nothing = co_await (all.receive() || soon.async_wait(asio::use_awaitable));
      CHECK(nothing.index() == 1);
      co_await with.broker->publish("t", {.value = "x"});
      CHECK((co_await all.receive()).size() == 1);  // the cancelled one has taken nothing
      with.server.stop();
      client other(with.io.get_executor(), with.options());
      soon.expires_after(5ms);
      auto connected =
          co_await (other.connect({.keep_trying = true}) || soon.async_wait(asio::use_awaitable));
      CHECK(connected.index() == 1);
    }(*this));
  }

  TEST_CASE_FIXTURE(async_fixture, "a future, from another thread") {
    auto future = broker->status({}, asio::use_future);
    until([&] { return future.wait_for(0s) == std::future_status::ready; });
    CHECK(future.get().topics == 0);
  }
}
