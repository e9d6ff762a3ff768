// The one thread of a shard that may block.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "broker/shard/shard.hpp"

namespace skald::shard {

class background_thread final : public background {
 public:
  background_thread();
  // Runs what was posted, then joins.
  ~background_thread() override;
  void post(std::function<void()> task) override;

 private:
  void run();

  // Guards what follows it.
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace skald::shard
