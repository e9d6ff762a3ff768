// SIGINT and SIGTERM as events, so that a command ends in order: flushes, says where it was, and exits with
// the code that shells expect.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "tools/cli/exit_code.hpp"

namespace skald::cli {

// Lives in main's thread while a command runs. Create it before anything that starts threads: they inherit
// the signals' being blocked. The second signal ends the process at once, as if nobody had handled it.
class interrupts {
 public:
  // Calls `on_stop` once, on a thread of its own, for the first signal; likewise, with `watch_output`, when
  // standard output is a pipe whose reader has gone away, which nobody would notice otherwise before the next
  // write. `on_stop` may be empty.
  explicit interrupts(std::function<void()> on_stop = {}, bool watch_output = false);
  ~interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;

  // Readable from then on. Any thread may wake it as well, by wake().
  int descriptor() const { return wake_; }
  void wake();

  // Why it stopped: interrupted, terminated or broken_pipe; nothing when it did not.
  std::optional<exit_code> reason() const;

 private:
  void watch();

  std::function<void()> on_stop_;
  bool watch_output_;
  int signals_ = -1;   // a signalfd
  int wake_ = -1;      // an eventfd
  int finished_ = -1;  // an eventfd: the destructor's word to the thread
  std::atomic<int> reason_{0};
  std::thread thread_;
};

}  // namespace skald::cli
