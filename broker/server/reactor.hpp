// An event loop with a thread of its own; connections live on one, and so does a shard.
//
// post() puts work into a mailbox: whatever arrives before the loop turns to it is one batch and costs one
// wake-up, or none when the loop's own thread posts. A mutex guards the mailbox; it is held to push one task
// or to swap the whole.
//
// The loop goes in turns: some handlers that are ready, each followed by what was posted meanwhile; then what
// waits for the end of the turn, which is where connections send what has gathered for them; then, with
// nothing left to do, what waits for an idle loop. A look at the sockets is a system call, so the way from a
// finished group commit to the acknowledgements that it sends takes none.
//
// Putting a thread to sleep and waking it takes as long as serving a request. So a loop whose work has come
// one by one for a while, and whose last wait was short, first looks for work over and over, for a tenth of a
// millisecond. All others sleep at once: where requests stream in, other threads have more use for the core,
// and an idle broker uses no processor time.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
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
  void post_when_idle(std::function<void(load)> work) override;
  bool running_here() const override;
  // Runs `work` once, after the handlers of this turn. Called on this reactor, from the work of a turn.
  void post_to_end_of_turn(task work);
  // Called on this reactor by whoever has taken something in: whether that came alone.
  void note(load is) { came_alone_ = is == load::idle ? came_alone_ + 1 : 0; }

  boost::asio::io_context& context() { return context_; }

 private:
  void run();
  // Runs what is ready; whether all of it has been run.
  bool run_ready();
  // Runs what is in the mailbox and what that posts, within bounds; whether there was anything.
  bool run_posted();
  bool drain();
  void end_turn();
  // Runs what waits for an idle loop; whether there was anything.
  bool tell_load(load is);
  void wait();

  const std::string name_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};

  std::mutex mailbox_mutex_;  // guards mailbox_ and nothing else; no other lock is taken under it
  std::vector<task> mailbox_;

  // Only touched by the loop.
  std::vector<task> batch_;  // the mailbox being drained
  std::vector<task> end_of_turn_;
  std::vector<task> ending_;
  std::vector<std::function<void(load)>> when_idle_;
  std::vector<std::function<void(load)>> telling_;
  unsigned came_alone_ = 0;  // how often in a row work did
  std::chrono::steady_clock::duration last_wait_ = std::chrono::steady_clock::duration::max();
  std::chrono::steady_clock::time_point crowded_until_{};  // no spinning before
};

}  // namespace skald::server
