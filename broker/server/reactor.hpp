// An event loop with a thread of its own; connections live on one, and so does a shard.
//
// post() puts work into a mailbox: whatever arrives before the loop turns to it is one batch and costs one
// wake-up. A mutex guards the mailbox; it is held to push one task or to swap the whole.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "broker/base/executor.hpp"

namespace skald::server {

class reactor final : public executor {
 public:
  explicit reactor(std::string name);
  // Stops the loop, if it still runs, and drops what it had not come to.
  ~reactor() override;
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  void start();
  // Ends the loop and joins its thread; not called on this reactor. Idempotent.
  void stop();
  // Drops what was posted and never run, once the loop has ended.
  void drop_tasks();

  void post(task work) override;
  void post_after(std::chrono::milliseconds delay, task work) override;
  bool running_here() const override;

  boost::asio::io_context& context() { return context_; }

 private:
  void drain();

  const std::string name_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};

  std::mutex mailbox_mutex_;  // guards mailbox_ and nothing else; no other lock is taken under it
  std::vector<task> mailbox_;
  std::vector<task> batch_;  // the mailbox being drained; only touched by the loop
};

}  // namespace skald::server
