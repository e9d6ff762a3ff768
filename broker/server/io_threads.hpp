// Threads for reads that must wait for the disk, shared by all reactors.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "broker/base/executor.hpp"
#include "broker/server/plan_reader.hpp"

namespace skald::server {

// One reactor's way to them.
class io_threads final : public background {
 public:
  io_threads(boost::asio::thread_pool& threads, executor& back_to) : threads_(threads), back_to_(back_to) {}
  void run(std::function<void()> work, std::function<void()> then) override;

 private:
  boost::asio::thread_pool& threads_;
  executor& back_to_;
};

}  // namespace skald::server
