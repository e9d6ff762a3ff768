// The rate limiter: so many calls in each period, for callees with a quota.
//
//   resilience::rate_limiter quota({.limit_for_period = 100, .limit_refresh_period = 1s});
//   co_await quota.run([&] { return broker.request("geocode", address); });
//
// Time is divided into periods; each brings limit_for_period permissions, and what is left of them goes with
// it. A call without a permission reserves one of a later period and waits for it, if it comes within
// timeout_duration; otherwise it is refused at once. A reservation whose call is cancelled is not given back.
//
// Threading: thread safe. Copies are handles of one limiter.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <skald/resilience/refusal.hpp>

namespace skald::resilience {

using std::chrono::milliseconds;

struct rate_limiter_config {
  std::string name = "rate limiter";
  std::uint32_t limit_for_period = 50;
  milliseconds limit_refresh_period{1'000};
  milliseconds timeout_duration{5'000};
};

struct rate_limiter_metrics {
  std::int64_t available_permissions = 0;  // of this period; negative: reserved of later ones
  std::uint64_t permitted_total = 0;
  std::uint64_t not_permitted_total = 0;
};

class rate_limiter {
 public:
  // Throws skald::error (invalid_settings).
  explicit rate_limiter(rate_limiter_config config = {});

  // Completes when a call may be made. Throws request_not_permitted, and errc::cancelled while it waits.
  boost::asio::awaitable<void> acquire() const { return acquire_of(*this); }
  // Takes a permission of this period, or none.
  bool try_acquire() const;

  template <class Operation>
  std::invoke_result_t<Operation&> run(Operation operation) const {
    return limited(*this, std::move(operation));
  }

  const std::string& name() const;
  rate_limiter_metrics metrics() const;

 private:
  struct shared;
  static boost::asio::awaitable<void> acquire_of(rate_limiter self);

  template <class Operation>
  static std::invoke_result_t<Operation&> limited(rate_limiter self, Operation operation) {
    co_await acquire_of(self);
    co_return co_await operation();
  }

  std::shared_ptr<shared> shared_;
};

}  // namespace skald::resilience
