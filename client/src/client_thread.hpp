// The thread of a blocking client, with the client that runs on it, and how other threads have it do things.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

#include <skald/client.hpp>
#include <skald/detail/completion.hpp>

namespace skald::detail {

// Threading: any thread. Shared by the blocking client and everything made from it; stop() is called once, by
// the client.
class client_thread {
 public:
  explicit client_thread(const client_options& options);
  ~client_thread();

  // Closes the client, after which whatever waits completes with errc::closed, and ends the thread.
  void stop();

  // Calls `work(client&)` on the thread and returns what it returns, or throws what it throws.
  template <class Work>
  auto call(Work work) -> std::invoke_result_t<Work&, client&> {
    std::packaged_task<std::invoke_result_t<Work&, client&>()> task([&] { return work(client_); });
    auto outcome = task.get_future();
    run([&task] { task(); });
    return outcome.get();
  }

  // Has `prepare(client&)` make an operation, begins it, and waits for it.
  template <class Prepare>
  auto perform(Prepare prepare) {
    return wait_for(std::type_identity<std::invoke_result_t<Prepare&, client&>>(), prepare);
  }

 private:
  template <class Prepare>
  void wait_for(std::type_identity<operation<>>, Prepare& prepare) {
    std::promise<void> promise;
    auto outcome = promise.get_future();
    begin<>(prepare, promise, [&promise] { promise.set_value(); });
    outcome.get();
  }
  template <class Result, class Prepare>
  Result wait_for(std::type_identity<operation<Result>>, Prepare& prepare) {
    std::promise<Result> promise;
    auto outcome = promise.get_future();
    begin<Result>(prepare, promise, [&promise](Result value) { promise.set_value(std::move(value)); });
    return outcome.get();
  }
  template <class... Results, class Prepare, class Promise, class Succeed>
  void begin(Prepare& prepare, Promise& promise, Succeed succeed) {
    run([this, &prepare, &promise, succeed] {
      try {
        auto prepared = prepare(client_);
        prepared.begin(completion<Results...>(
            [&promise, succeed](const std::exception_ptr& why, Results... results) {
              if (why)
                promise.set_exception(why);
              else
                succeed(std::move(results)...);
            },
            context_.get_executor()));
      } catch (...) {
        promise.set_exception(std::current_exception());
      }
    });
  }

  // Posts to the thread, or, when it has ended, runs here: everything is closed then, and fails at once.
  void run(unique_function<void()> work);

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  client client_;
  std::mutex end_mutex_;  // held while the thread ends, and by callers that run the context afterwards;
                          // before mutex_
  std::mutex mutex_;      // guards stopped_
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace skald::detail
