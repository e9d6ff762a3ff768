// Few commits for the transactions of many coroutines.
//
//   skald::outbox::group_committer database(store);
//   co_await database.run([&](skald::outbox::transaction& change) {  // any number of coroutines at a time
//     customers.add(id, limit);
//     change.publish("customer-events", {.key = id, .value = event});
//   });  // durable from here on
//
// A durable commit is a sync of the disk, which takes longer than what most transactions do. While one is
// under way, whatever is asked for gathers, and becomes one transaction of the database: at most one sync is
// waited for when there is little to do, and its cost is shared by all when there is much.
//
// Each piece of work is a part of its own. One that throws is undone alone, and its coroutine gets the
// exception; all others go on. They run one after the other, so that each sees what those before it have
// done, and none has to fear another.
//
// Threading: it has a thread of its own, which alone uses the store and its connection, also for reading;
// work runs there. run() may be called from any thread. When the database is lost with the answer to a
// commit, the work may have been done (database_problem::unknown_outcome): give it an inbox to know that by.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/outbox/store.hpp>
#include <skald/outbox/transaction.hpp>

namespace skald::outbox {

struct group_committer_statistics {
  std::uint64_t works = 0;
  std::uint64_t failed = 0;  // of those
  std::uint64_t commits = 0;
};

class group_committer {
 public:
  // The store outlives it, and is its own until then.
  explicit group_committer(store& on, std::uint32_t works_of_one_commit_max = 1'000);
  // What was asked for is still done.
  ~group_committer();
  group_committer(const group_committer&) = delete;
  group_committer& operator=(const group_committer&) = delete;

  // Calls `work(transaction&)`, which must not commit, and completes with its result once that is durable. It
  // cannot be cancelled. (GCC 12 destroys a temporary that owns memory twice inside co_await: let the work
  // capture references.)
  template <class Work>
  boost::asio::awaitable<std::invoke_result_t<Work&, transaction&>> run(Work work) {
    using result = std::invoke_result_t<Work&, transaction&>;
    const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
    if constexpr (std::is_void_v<result>) {
      const task wanted = [&work](transaction& change) { work(change); };
      co_await durable(executor, wanted);
    } else {
      std::optional<result> made;
      const task wanted = [&work, &made](transaction& change) { made.emplace(work(change)); };
      co_await durable(executor, wanted);
      co_return std::move(*made);
    }
  }

  // The transaction of the work that runs now: for what is called by it without being handed it, such as a
  // local step of a saga.
  transaction& current() { return *current_; }

  // Called on the thread after each commit; a relay wants to be woken then. Before the first run().
  void on_commit(std::function<void()> callback) { on_commit_ = std::move(callback); }

  group_committer_statistics statistics() const;

 private:
  using task = std::function<void(transaction&)>;
  struct request {
    boost::asio::any_io_executor executor;
    const task* wanted = nullptr;  // in the frame of the coroutine that waits
    detail::completion<> done;
    std::exception_ptr failure = nullptr;
  };
  // The task lives until that completes.
  boost::asio::awaitable<void> durable(const boost::asio::any_io_executor& executor, const task& wanted);
  void loop();
  std::vector<request> next();
  // Whether they are committed.
  bool commit_together(std::span<request> some);
  void run_part(request& one);
  static void complete(std::vector<request> some);

  store& store_;
  std::uint32_t works_max_;
  std::function<void()> on_commit_;
  transaction* current_ = nullptr;  // the thread's

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<request> waiting_;
  bool stopping_ = false;
  group_committer_statistics statistics_;

  std::thread thread_;
};

}  // namespace skald::outbox
