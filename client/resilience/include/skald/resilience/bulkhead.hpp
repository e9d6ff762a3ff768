// The bulkhead: at most so many calls at a time, so that one slow callee does not take every caller with it.
//
//   resilience::bulkhead reports({.max_concurrent_calls = 8, .max_wait_duration = 100ms});
//   co_await reports.run([&] { return broker.request("report", month); });
//
// Those that find no place wait in order of arrival, at most max_waiting_calls of them and each at most
// max_wait_duration; others are refused at once. A place comes back however its call ends.
//
// Threading: thread safe; each waiting call is resumed on its own executor, which runs one thing at a time
// (an io_context with one thread, or a strand). Copies are handles of one bulkhead.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <skald/resilience/refusal.hpp>

namespace skald::resilience {

using std::chrono::milliseconds;

struct bulkhead_config {
  std::string name = "bulkhead";
  std::uint32_t max_concurrent_calls = 25;
  milliseconds max_wait_duration{0};
  std::uint32_t max_waiting_calls = 1'000;
};

struct bulkhead_metrics {
  std::uint32_t available_concurrent_calls = 0;
  std::uint32_t waiting_calls = 0;
  std::uint64_t permitted_total = 0;
  std::uint64_t rejected_total = 0;  // at once, or after waiting
};

class bulkhead {
 private:
  struct shared;

 public:
  // Throws skald::error (invalid_settings).
  explicit bulkhead(bulkhead_config config = {});

  // A place; destroying it gives it back, to the first that waits. One thread at a time.
  class permission {
   public:
    ~permission();
    permission(permission&&) noexcept;
    permission& operator=(permission&&) = delete;

   private:
    friend class bulkhead;
    explicit permission(std::shared_ptr<shared> of);
    std::shared_ptr<shared> of_;
  };

  // Completes with a place. Throws bulkhead_full, and errc::cancelled while it waits.
  boost::asio::awaitable<permission> acquire() const { return acquire_of(*this); }
  // Does not wait, and does not overtake those that do.
  std::optional<permission> try_acquire() const;

  template <class Operation>
  std::invoke_result_t<Operation&> run(Operation operation) const {
    return limited(*this, std::move(operation));
  }

  const std::string& name() const;
  bulkhead_metrics metrics() const;

 private:
  struct waiter;
  class place_in_line;
  static boost::asio::awaitable<permission> acquire_of(bulkhead self);

  template <class Operation>
  static std::invoke_result_t<Operation&> limited(bulkhead self, Operation operation) {
    const permission place = co_await acquire_of(self);
    co_return co_await operation();
  }

  std::shared_ptr<shared> shared_;
};

}  // namespace skald::resilience
