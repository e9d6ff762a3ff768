// Units of work on their way, and the broker's memory of them.
#include <algorithm>

#include "tests/client/async_fixture.hpp"

namespace skald::test {

namespace {

asio::awaitable<void> cancel_a_timer(client& broker) {
  commit effect;
  effect.cancel_timer("expiry");
  co_await broker.commit(std::move(effect));
}

}  // namespace

TEST_CASE_FIXTURE(async_fixture,
                  "no unit of work is sent that would have the broker forget an unanswered one") {
  bool silent = true;
  std::uint64_t newest = 0;
  server.script = [&](const wire::Frame& frame) {
    const auto* asked = frame.body_as_Commit();
    if (asked == nullptr) return action::serve;
    newest = std::max(newest, asked->sequence());
    return silent && asked->sequence() == 1 ? action::ignore : action::serve;
  };
  std::size_t done = 0;
  const auto count = [&](const std::exception_ptr& why) { done += why == nullptr ? 1 : 0; };
  for (int i = 0; i < 2500; ++i) asio::co_spawn(io, cancel_a_timer(*broker), count);
  until([&] { return done == 999; });
  CHECK(newest == 1000);

  silent = false;
  server.cut_connections();  // and it is sent again
  until([&] { return done == 2500; });
  CHECK(newest == 2500);
}

TEST_CASE_FIXTURE(async_fixture, "a unit of work with more parts than a broker takes is refused without it") {
  run([](async_fixture& on) -> asio::awaitable<void> {
    commit effect;
    for (int i = 0; i < 20'000; ++i) effect.cancel_timer("expiry");
    errc refused = errc::ok;
    try {
      co_await on.broker->commit(std::move(effect));
    } catch (const error& why) {
      refused = static_cast<errc>(why.code().value());
    }
    CHECK(refused == errc::invalid_request);
    co_await cancel_a_timer(*on.broker);
    CHECK(on.server.connections == 1);
  }(*this));
}

}  // namespace skald::test
