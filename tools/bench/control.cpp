#include "tools/bench/control.hpp"

#include <utility>

namespace skald::cli::bench {

void control::ready() {
  const std::lock_guard lock(mutex_);
  ++ready_;
  changed_.notify_all();
}

void control::done() {
  const std::lock_guard lock(mutex_);
  ++done_;
  changed_.notify_all();
}

void control::fail(std::exception_ptr why) {
  const std::lock_guard lock(mutex_);
  // What fails afterwards fails because the run is being stopped.
  if (!stopping()) failure_ = std::move(why);
  stopping_ = true;
  changed_.notify_all();
}

void control::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

std::exception_ptr control::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void control::next_workers() {
  const std::lock_guard lock(mutex_);
  ready_ = 0;
  done_ = 0;
}

bool control::wait_ready(std::size_t workers) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping() || ready_ >= workers; });
  return !stopping();
}

bool control::wait_done(std::size_t workers, steady::time_point at_most) {
  std::unique_lock lock(mutex_);
  const bool done = changed_.wait_until(lock, at_most, [&] { return stopping() || done_ >= workers; });
  return done && !stopping();
}

bool control::wait_until(steady::time_point at) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_until(lock, at, [&] { return stopping(); });
}

}  // namespace skald::cli::bench
