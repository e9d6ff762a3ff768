#include "tools/bench/worker.hpp"

#include <sys/prctl.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace skald::cli::bench {

worker::worker(const worker_setting& with, const char* name, control& run)
    : run_(run),
      broker_(loop_.get_executor(), {.address = with.address,
                                     .client_name = name,
                                     .timeout = with.timeout,
                                     .connect_timeout = with.timeout}),
      pause_(loop_) {}

void worker::start() {
  asio::co_spawn(loop_, live(), [this](const std::exception_ptr& why) {
    if (why) run_.fail(why);
    run_.done();
    broker_.close();
  });
  thread_ = std::thread([this] {
    // Timers wake up to 50 us late unless told otherwise, and that would count as the broker's latency.
    ::prctl(PR_SET_TIMERSLACK, 1);
    loop_.run();
  });
}

void worker::begin() {
  asio::post(loop_, [this] {
    begun_ = true;
    wake();
  });
}

void worker::finish() {
  asio::post(loop_, [this] {
    finishing_ = true;
    wake();
    finish_signal_.emit(asio::cancellation_type::all);
  });
}

void worker::abandon() {
  asio::post(loop_, [this] { broker_.close(); });
  finish();
  begin();
}

void worker::join() {
  if (thread_.joinable()) thread_.join();
}

asio::awaitable<void> worker::live() {
  co_await broker_.connect();
  co_await prepare();
  run_.ready();
  while (!begun_) co_await pause();
  if (!finishing_) co_await work();
}

asio::awaitable<void> worker::pause(steady::time_point at) {
  pause_.expires_at(at);
  boost::system::error_code woken;
  co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

asio::awaitable<void> worker::yield() {
  co_await asio::post(loop_, asio::use_awaitable);
}

void worker::missed_from(const schedule& times, std::uint64_t number) {
  const auto until = run_.times().until;
  if (until == steady::time_point::max()) return;
  for (; times.due(number) < until; ++number) missed(times.due(number));
}

void worker::spawn(asio::awaitable<void> what) {
  ++running_;
  asio::co_spawn(loop_, std::move(what), [this](const std::exception_ptr& why) {
    keep_failure(why);
    --running_;
    wake();
  });
}

void worker::keep_failure(std::exception_ptr why) {
  if (!failed_) failed_ = std::move(why);
}

void worker::throw_failure() const {
  if (failed_) std::rethrow_exception(failed_);
}

void worker::post_wake() {
  asio::post(loop_, [this] { wake(); });
}

}  // namespace skald::cli::bench
