#include "skald/outbox/group_committer.hpp"

#include <algorithm>
#include <iterator>

namespace skald::outbox {

namespace {

bool is_lost(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const database_error& why) {
    return why.problem() == database_problem::unreachable ||
           why.problem() == database_problem::unknown_outcome;
  } catch (...) {
    return false;
  }
}

}  // namespace

group_committer::group_committer(store& on, std::uint32_t works_of_one_commit_max)
    : store_(on), works_max_(std::max(1u, works_of_one_commit_max)), thread_([this] { loop(); }) {}

group_committer::~group_committer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

boost::asio::awaitable<void> group_committer::durable(const boost::asio::any_io_executor& executor,
                                                      const task& wanted) {
  return detail::initiate(detail::operation<>(executor,
                                              [this, executor, &wanted](detail::completion<> done) {
                                                const std::lock_guard lock(mutex_);
                                                waiting_.push_back({executor, &wanted, std::move(done)});
                                                changed_.notify_one();
                                              }),
                          boost::asio::use_awaitable);
}

void group_committer::loop() {
  for (;;) {
    std::vector<request> some = next();
    if (some.empty()) return;
    const bool committed = commit_together(some);
    {
      const std::lock_guard lock(mutex_);
      statistics_.works += some.size();
      statistics_.commits += committed ? 1 : 0;
      statistics_.failed += static_cast<std::uint64_t>(
          std::ranges::count_if(some, [](const request& one) { return one.failure != nullptr; }));
    }
    if (committed && on_commit_) on_commit_();
    complete(std::move(some));
  }
}

// Waits for some; none: it is to end.
std::vector<group_committer::request> group_committer::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
  if (waiting_.size() <= works_max_) return std::exchange(waiting_, {});
  const auto end = waiting_.begin() + works_max_;
  std::vector<request> some(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return some;
}

bool group_committer::commit_together(std::span<request> some) {
  std::exception_ptr failed;
  try {
    transaction whole(store_);
    for (request& one : some) run_part(one);
    whole.commit();
  } catch (...) {
    failed = std::current_exception();
  }
  if (!failed) return true;
  for (request& one : some)
    if (!one.failure) one.failure = failed;
  if (!is_lost(failed)) return false;
  try {
    store_.reconnect();
  } catch (const database_error&) {  // NOLINT(bugprone-empty-catch)
    // It is tried again after the next failure.
  }
  return false;
}

// The coroutines' thread is woken once; what it tells itself from there on costs little. A coroutine of
// another executor is told by that.
void group_committer::complete(std::vector<request> some) {
  const boost::asio::any_io_executor executor = some.front().executor;
  boost::asio::post(executor, [some = std::move(some)]() mutable {
    for (request& one : some) one.done.complete(std::move(one.failure));
  });
}

void group_committer::run_part(request& one) {
  transaction change(store_, transaction::part{});
  current_ = &change;
  try {
    (*one.wanted)(change);
    change.commit();
  } catch (...) {
    one.failure = std::current_exception();
  }
  current_ = nullptr;
}

group_committer_statistics group_committer::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace skald::outbox
