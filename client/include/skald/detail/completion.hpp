// The bridge between Asio's completion tokens and code that is not a template.
//
// `completion<T>` is a completion handler of signature void(std::exception_ptr, T) whose type is erased. It
// keeps what Asio attaches to handlers: the associated executor (the handler runs there, never inside the
// function that completes it), outstanding work on that executor, and the cancellation slot. Boost 1.82 has
// asio::any_completion_handler for this; 1.81, which Debian 12 offers, does not.
//
// `operation<T>` is an asynchronous operation that has been prepared (its arguments are read) but not begun:
// lazy tokens such as use_awaitable begin it later.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace skald::detail {

namespace asio = boost::asio;

// A move-only std::function.
template <class Signature>
class unique_function;

template <class Result, class... Arguments>
class unique_function<Result(Arguments...)> {
 public:
  unique_function() = default;
  template <class Callable>
    requires(!std::is_same_v<std::decay_t<Callable>, unique_function>)
  unique_function(Callable&& callable)  // NOLINT(google-explicit-constructor): as std::function
      : target_(std::make_unique<model<std::decay_t<Callable>>>(std::forward<Callable>(callable))) {}

  explicit operator bool() const { return target_ != nullptr; }
  Result operator()(Arguments... arguments) { return target_->call(std::forward<Arguments>(arguments)...); }

 private:
  struct base {
    virtual ~base() = default;
    virtual Result call(Arguments... arguments) = 0;
  };
  template <class Callable>
  struct model final : base {
    explicit model(Callable source) : callable(std::move(source)) {}
    Result call(Arguments... arguments) override { return callable(std::forward<Arguments>(arguments)...); }
    Callable callable;
  };
  std::unique_ptr<base> target_;
};

template <class... Results>
class completion {
 public:
  completion() = default;
  template <class Handler>
  completion(Handler handler, const asio::any_io_executor& fallback)
      : target_(std::make_unique<model<Handler>>(std::move(handler), fallback)) {}
  // The handler is called on no account more than once, and not at all if nobody completes it.
  completion(completion&&) noexcept = default;
  completion& operator=(completion&&) noexcept = default;

  explicit operator bool() const { return target_ != nullptr; }

  // Posts the handler to its executor. This object is empty afterwards.
  void succeed(Results... results) { complete(nullptr, std::move(results)...); }
  void fail(std::exception_ptr why) { complete(std::move(why), Results{}...); }
  void complete(std::exception_ptr why, Results... results) {
    const auto target = std::move(target_);
    target->complete(std::move(why), std::move(results)...);
  }

  // Calls `cancel` when the handler's cancellation slot fires before the completion. At most once.
  void on_cancel(unique_function<void()> cancel) { target_->on_cancel(std::move(cancel)); }

 private:
  struct base {
    virtual ~base() = default;
    virtual void complete(std::exception_ptr why, Results... results) = 0;
    virtual void on_cancel(unique_function<void()> cancel) = 0;
  };
  template <class Handler>
  struct model final : base {
    using executor_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
    model(Handler&& given, const asio::any_io_executor& fallback)
        : handler(std::move(given)), work(asio::get_associated_executor(handler, fallback)) {}

    void complete(std::exception_ptr why, Results... results) override {
      if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
      const auto executor = work.get_executor();
      asio::post(executor, [handler = std::move(handler), work = std::move(work), why = std::move(why),
                            ... results = std::move(results)]() mutable {
        std::move(handler)(std::move(why), std::move(results)...);
      });
    }
    void on_cancel(unique_function<void()> cancel) override {
      auto slot = asio::get_associated_cancellation_slot(handler);
      if (!slot.is_connected()) return;
      slot.assign(
          [cancel = std::make_shared<unique_function<void()>>(std::move(cancel))](asio::cancellation_type) {
            // Completing clears the slot, and with it this function.
            const auto kept = cancel;  // NOLINT(performance-unnecessary-copy-initialization)
            (*kept)();
          });
    }

    Handler handler;
    asio::executor_work_guard<executor_type> work;
  };
  std::unique_ptr<base> target_;
};

template <class... Results>
class operation {
 public:
  operation(asio::any_io_executor executor, unique_function<void(completion<Results...>)> begin)
      : executor_(std::move(executor)), begin_(std::move(begin)) {}
  const asio::any_io_executor& executor() const { return executor_; }
  void begin(completion<Results...> done) { begin_(std::move(done)); }

 private:
  asio::any_io_executor executor_;
  unique_function<void(completion<Results...>)> begin_;
};

template <class Token, class... Results>
auto initiate(operation<Results...> prepared, Token&& token) {
  return asio::async_initiate<Token, void(std::exception_ptr, Results...)>(
      [](auto handler, operation<Results...> begun) {
        const asio::any_io_executor executor = begun.executor();
        begun.begin(completion<Results...>(std::move(handler), executor));
      },
      token, std::move(prepared));
}

}  // namespace skald::detail
