#include "client/samples/orders/common/host.hpp"

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <iostream>

namespace shop {

namespace {

using namespace std::chrono_literals;

bool may_pass(const skald::error& why) {
  return why.code() == skald::errc::cannot_connect || why.code() == skald::errc::connection_lost ||
         why.code() == skald::errc::deadline_exceeded || why.code() == skald::errc::shutting_down;
}

}  // namespace

host::host(std::string name, const std::string& broker_address)
    : name_(std::move(name)),
      address_(broker_address),
      broker_(io_.get_executor(), {.address = address_, .client_name = name_, .reconnect_delay_max = 500ms}) {
}

int host::run() {
  signals_.async_wait([this](boost::system::error_code cancelled, int) {
    if (!cancelled) stop();
  });
  start(begin());
  io_.run();
  return failed_ ? 1 : 0;
}

asio::awaitable<void> host::begin() {
  const step connecting = [this]() -> asio::awaitable<void> { co_await broker_.connect(); };
  const bool connected = co_await try_step(connecting);
  if (!connected) say("waiting for the broker at " + address_);
  for (const step& one : beginnings_) co_await repeat(one);
  for (const worker& one : workers_) start(one.run());
  for (service& one : services_) {
    const step opening = [this, &one] { return open(one); };
    co_await repeat(opening);
  }
  ready_ = true;
  say("ready");
}

asio::awaitable<void> host::repeat(const step& until_done) {
  for (bool done = false; !done;) done = co_await try_step(until_done);
}

asio::awaitable<bool> host::try_step(const step& once) {
  try {
    co_await once();
    co_return true;
  } catch (const skald::error& why) {
    if (!may_pass(why)) throw;
  }
  co_return false;
}

asio::awaitable<void> host::open(service& one) {
  one.responder = co_await broker_.serve(one.subject);
  start(one.responder.run([&one](const skald::service_request& asked) -> asio::awaitable<std::string> {
    const request parsed(asked.body());
    const boost::json::value answer = co_await one.answer(parsed);
    co_return boost::json::serialize(answer);
  }));
}

void host::start(asio::awaitable<void> what) {
  ++running_;
  asio::co_spawn(io_, std::move(what), [this](const std::exception_ptr& why) {
    --running_;
    try {
      if (why) std::rethrow_exception(why);
    } catch (const skald::error& failed) {
      // What waits when everything ends is told that it is closed.
      if (!stopping_ || failed.code() != skald::errc::closed) {
        say(failed.what());
        failed_ = true;
      }
    } catch (const std::exception& failed) {
      say(failed.what());
      failed_ = true;
    }
    if (failed_) stop();
    close_when_idle();
  });
}

void host::stop() {
  if (stopping_) return;
  stopping_ = true;
  signals_.cancel();
  // What still begins has nothing to end; it is told that the client is closed.
  if (ready_)
    start(end());
  else
    broker_.close();
}

asio::awaitable<void> host::end() {
  for (service& one : services_) {
    try {
      co_await one.responder.drain({.timeout = 5s});
    } catch (const skald::error& why) {
      say(why.what());
    }
    one.responder.close();
  }
  for (const worker& one : workers_) one.close();
}

// The client counts as work of the io_context, which then ends.
void host::close_when_idle() {
  if (stopping_ && running_ == 0) broker_.close();
}

void host::say(std::string_view what) const {
  std::cerr << name_ << ": " << what << std::endl;
}

}  // namespace shop
