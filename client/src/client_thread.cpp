#include "client/src/client_thread.hpp"

namespace skald::detail {

client_thread::client_thread(const client_options& options)
    : work_(context_.get_executor()),
      client_(context_.get_executor(), options),
      thread_([this] { context_.run(); }) {}

client_thread::~client_thread() {
  stop();
}

void client_thread::stop() {
  const std::lock_guard ending(end_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    asio::post(context_, [this] {
      client_.close();
      work_.reset();
    });
  }
  // What the closing has completed is still run: the context ends when nothing is left to do.
  thread_.join();
}

void client_thread::run(unique_function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      asio::post(context_, [work = std::move(work)]() mutable { work(); });
      return;
    }
  }
  const std::lock_guard ended(end_mutex_);
  work();
  context_.restart();
  context_.run();
}

}  // namespace skald::detail
