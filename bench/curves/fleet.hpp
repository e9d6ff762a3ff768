// Many clients on few threads: as many event loops as the machine has processors, each with its share of the
// clients. Thousands of connections are thousands of coroutines, not threads that the broker would have to
// share the processors with.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <skald/client.hpp>

namespace skald::bench::curves {

namespace asio = boost::asio;

// Threading: of the main thread, which is told of SIGINT and SIGTERM by limit::interrupt_requested().
class fleet {
 public:
  using task = std::function<asio::awaitable<void>(std::uint32_t)>;

  // Does not connect yet.
  fleet(const std::string& address, std::uint32_t clients);
  ~fleet();
  fleet(const fleet&) = delete;
  fleet& operator=(const fleet&) = delete;

  // Runs the task for each of the first `count` clients, all at a time, on the thread of each, and returns
  // when all have ended; `watch` is called now and then meanwhile. Throws what the first task that failed has
  // thrown, or limit::interrupted; then all clients are closed, and the fleet is of no more use.
  void run(std::uint32_t count, const task& what, const std::function<void()>& watch = {});

  // Closes the clients and ends the threads. What was made from clients may be destroyed from then on, and
  // the fleet is of no more use.
  void stop();

  // How many threads so many clients have, and which of them this one lives on.
  static std::uint32_t lanes_of(std::uint32_t clients);
  std::uint32_t lane_of(std::uint32_t index) const {
    return index % static_cast<std::uint32_t>(lanes_.size());
  }
  // Within a task: its client.
  client& at(std::uint32_t index) { return *clients_[index]; }

 private:
  struct lane {
    asio::io_context loop{1};
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(loop);
    std::thread thread;
  };
  void close_all();
  void ended(const std::exception_ptr& why);

  std::vector<std::unique_ptr<lane>> lanes_;
  std::vector<std::unique_ptr<client>> clients_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::uint32_t running_ = 0;
  std::exception_ptr failed_;
};

// A fleet whose clients each have a worker, made on its thread once it is connected.
template <class Worker>
class crew {
 public:
  using maker = std::function<std::unique_ptr<Worker>(client&, std::uint32_t index, std::uint32_t lane)>;

  crew(const std::string& address, std::uint32_t size, const maker& make)
      : fleet_(address, size), workers_(size) {
    try {
      fleet_.run(size, [&](std::uint32_t index) { return hire(index, make); });
    } catch (...) {
      fleet_.stop();
      throw;
    }
  }
  // Workers go after the threads, and before the clients that they use.
  ~crew() { fleet_.stop(); }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  // As fleet::run().
  void run(std::uint32_t count, const std::function<asio::awaitable<void>(Worker&)>& what,
           const std::function<void()>& watch = {}) {
    fleet_.run(count, [&](std::uint32_t index) { return what(*workers_[index]); }, watch);
  }
  void run(const std::function<asio::awaitable<void>(Worker&)>& what,
           const std::function<void()>& watch = {}) {
    run(size(), what, watch);
  }

  std::uint32_t size() const { return static_cast<std::uint32_t>(workers_.size()); }
  // While nothing runs.
  const Worker& operator[](std::uint32_t index) const { return *workers_[index]; }

 private:
  asio::awaitable<void> hire(std::uint32_t index, const maker& make) {
    co_await fleet_.at(index).connect();
    workers_[index] = make(fleet_.at(index), index, fleet_.lane_of(index));
  }

  fleet fleet_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace skald::bench::curves
