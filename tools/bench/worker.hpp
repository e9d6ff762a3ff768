// A thread with an event loop and a client of its own: the frame of every producer and consumer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>

#include <skald/client.hpp>

#include "tools/bench/control.hpp"
#include "tools/bench/histogram.hpp"
#include "tools/bench/schedule.hpp"

namespace skald::cli::bench {

namespace asio = boost::asio;

struct worker_setting {
  std::string address;
  milliseconds timeout{10'000};
};

class worker {
 public:
  worker(const worker_setting& with, const char* name, control& run);
  virtual ~worker() = default;  // after join(): what derives from this is used by the thread
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  // ---- the main thread's, in this order; abandon() at any time ----
  void start();    // the thread; it prepares, and waits for begin()
  void begin();    // after the run's times are set
  void finish();   // what is under way is completed, then work() returns
  void abandon();  // closes the client: whatever is pending fails
  void join();

  const counter& count() const { return counted_; }
  // After join().
  const histogram& latencies() const { return latencies_; }
  // How many were due by a target rate and not sent before the end. After join().
  std::uint64_t unsent() const { return unsent_; }

 protected:
  virtual asio::awaitable<void> prepare() = 0;
  virtual asio::awaitable<void> work() = 0;

  // ---- the worker's own thread's ----
  client& broker() { return broker_; }
  control& run() { return run_; }
  asio::io_context& loop() { return loop_; }
  counter& counted() { return counted_; }
  bool finishing() const { return finishing_; }
  // For an operation that finish() ends: it then completes with errc::cancelled.
  asio::cancellation_slot until_finish() { return finish_signal_.slot(); }

  // Until wake(), or until `at`. Conditions are looked at again afterwards.
  asio::awaitable<void> pause(steady::time_point at = steady::time_point::max());
  // Lets the client do its input and output.
  asio::awaitable<void> yield();
  void wake() { pause_.cancel(); }
  // wake(), from any thread.
  void post_wake();

  // A record that was due then has come through now.
  void took(steady::time_point due, steady::time_point now) {
    if (run_.times().covers(due)) latencies_.record(now - due);
  }
  // One that was due then has not been sent. It was late by at least the time until the end; leaving it out
  // would flatter the broker.
  void missed(steady::time_point due) {
    took(due, run_.times().until);
    ++unsent_;
  }
  // The same of all from this number on that were due before the end of the run.
  void missed_from(const schedule& times, std::uint64_t number);

  // A coroutine beside work(). What it throws is kept.
  void spawn(asio::awaitable<void> what);
  std::uint64_t running() const { return running_; }
  void keep_failure(std::exception_ptr why);
  bool has_failed() const { return failed_ != nullptr; }
  // Throws what was kept first, if anything was.
  void throw_failure() const;

 private:
  asio::awaitable<void> live();

  control& run_;
  asio::io_context loop_{1};
  client broker_;
  asio::steady_timer pause_;
  asio::cancellation_signal finish_signal_;
  counter counted_;
  histogram latencies_;
  std::uint64_t unsent_ = 0;
  std::uint64_t running_ = 0;
  std::exception_ptr failed_;
  bool begun_ = false;
  bool finishing_ = false;
  std::thread thread_;
};

}  // namespace skald::cli::bench
