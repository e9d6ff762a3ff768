#include "broker/server/reactor.hpp"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

namespace skald::server {

namespace asio = boost::asio;

reactor::reactor(std::string name) : name_(std::move(name)), keep_running_(asio::make_work_guard(context_)) {}

reactor::~reactor() {
  stop();
}

void reactor::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.c_str());
    thread_id_ = std::this_thread::get_id();
    context_.run();
  });
}

void reactor::stop() {
  keep_running_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

void reactor::drop_tasks() {
  std::vector<task> dropped;
  do {
    dropped.clear();  // which may post
    const std::lock_guard lock(mailbox_mutex_);
    dropped.swap(mailbox_);
  } while (!dropped.empty());
}

void reactor::post(task work) {
  bool first = false;
  {
    const std::lock_guard lock(mailbox_mutex_);
    first = mailbox_.empty();
    mailbox_.push_back(std::move(work));
  }
  if (first) asio::post(context_, [this] { drain(); });
}

void reactor::drain() {
  {
    const std::lock_guard lock(mailbox_mutex_);
    batch_.swap(mailbox_);
  }
  for (task& work : batch_) {
    if (context_.stopped()) break;
    work();
    work = nullptr;  // what it owned goes now, not when the batch is over
  }
  batch_.clear();
  if (batch_.capacity() > 4096) batch_.shrink_to_fit();
}

void reactor::post_after(std::chrono::milliseconds delay, task work) {
  auto timer = std::make_shared<asio::steady_timer>(context_, delay);
  timer->async_wait([timer, work = std::move(work)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

bool reactor::running_here() const {
  return thread_id_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

}  // namespace skald::server
