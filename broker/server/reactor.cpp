#include "broker/server/reactor.hpp"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cassert>
#include <memory>
#include <utility>

namespace skald::server {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {

constexpr int handlers_per_turn = 32;  // then it is the turn of what was posted for an idle loop, idle or not
constexpr int posts_in_a_row = 4;  // from a commit to its acknowledgements; then the sockets have their turn
constexpr std::chrono::microseconds spin_max{100};
constexpr unsigned came_alone_min = 32;
// A core that is wanted by others is left to them: whoever has spun waits for a time slice to get it back,
// and whoever sleeps gets it at once.
constexpr std::chrono::microseconds own_core_yield_max{500};
constexpr std::chrono::milliseconds crowded_time{20};

}  // namespace

reactor::reactor(std::string name) : name_(std::move(name)), keep_running_(asio::make_work_guard(context_)) {}

reactor::~reactor() {
  stop();
}

void reactor::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.c_str());
    thread_id_ = std::this_thread::get_id();
    run();
  });
}

void reactor::run() {
  while (!context_.stopped()) {
    const bool idle = run_ready();
    end_turn();
    const bool told = tell_load(idle ? load::idle : load::busy);
    if (idle && !told && end_of_turn_.empty()) wait();
    if (run_posted() && told) end_turn();
  }
}

bool reactor::run_ready() {
  for (int i = 0; i < handlers_per_turn; ++i) {
    const bool ran = context_.poll_one() > 0;
    if (!run_posted() && !ran) return true;
  }
  return false;
}

bool reactor::run_posted() {
  int batches = 0;
  while (batches < posts_in_a_row && drain()) ++batches;
  return batches > 0;
}

void reactor::end_turn() {
  ending_.swap(end_of_turn_);
  for (const task& work : ending_) work();
  ending_.clear();
}

void reactor::post_to_end_of_turn(task work) {
  assert(running_here());
  end_of_turn_.push_back(std::move(work));
}

bool reactor::tell_load(load is) {
  if (when_idle_.empty()) return false;
  telling_.swap(when_idle_);
  for (const auto& work : telling_) work(is);
  telling_.clear();
  note(is);
  return true;
}

// Yields between two looks, so that whoever else wants this core gets it.
void reactor::wait() {
  const auto began = steady::now();
  if (came_alone_ >= came_alone_min && last_wait_ <= spin_max && began >= crowded_until_) {
    for (auto now = began; now < began + spin_max;) {
      std::this_thread::yield();
      const auto before = std::exchange(now, steady::now());
      last_wait_ = now - began;
      if (now - before > own_core_yield_max) crowded_until_ = now + crowded_time;
      if (context_.poll_one() > 0) return;
      if (now < crowded_until_) break;
    }
  }
  context_.run_one();
  last_wait_ = steady::now() - began;  // and what was then done, which makes spinning rarer and no worse
}

void reactor::stop() {
  keep_running_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

void reactor::drop_tasks() {
  when_idle_.clear();
  end_of_turn_.clear();
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
  // The loop looks into its mailbox after all that it runs.
  if (first && !running_here()) asio::post(context_, [] {});
}

bool reactor::drain() {
  {
    const std::lock_guard lock(mailbox_mutex_);
    batch_.swap(mailbox_);
  }
  if (batch_.empty()) return false;
  for (task& work : batch_) {
    if (context_.stopped()) break;
    work();
    work = nullptr;  // what it owned goes now, not when the batch is over
  }
  batch_.clear();
  if (batch_.capacity() > 4096) batch_.shrink_to_fit();
  return true;
}

void reactor::post_after(std::chrono::milliseconds delay, task work) {
  auto timer = std::make_shared<asio::steady_timer>(context_, delay);
  timer->async_wait([timer, work = std::move(work)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

void reactor::post_when_idle(std::function<void(load)> work) {
  assert(running_here());
  when_idle_.push_back(std::move(work));
}

bool reactor::running_here() const {
  return thread_id_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

}  // namespace skald::server
