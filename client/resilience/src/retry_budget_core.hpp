// The account of a retry budget, without clock or lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <skald/resilience/retry_budget.hpp>

namespace skald::resilience::detail {

class retry_budget_core {
 public:
  explicit retry_budget_core(const retry_budget_config& config)
      : config_(config), balance_(config.retries_saved_max) {}

  void deposit(std::chrono::steady_clock::time_point now) {
    earn(now);
    balance_ = std::min(config_.retries_saved_max, balance_ + config_.retries_per_call);
  }
  bool try_withdraw(std::chrono::steady_clock::time_point now) {
    earn(now);
    if (balance_ < 1) return ++exhausted_, false;
    balance_ -= 1;
    return true;
  }
  double balance(std::chrono::steady_clock::time_point now) {
    earn(now);
    return balance_;
  }
  std::uint64_t exhausted_total() const { return exhausted_; }

 private:
  void earn(std::chrono::steady_clock::time_point now) {
    if (last_ && now <= *last_) return;
    const std::chrono::duration<double> passed = last_ ? now - *last_ : std::chrono::nanoseconds(0);
    balance_ =
        std::min(config_.retries_saved_max, balance_ + passed.count() * config_.retries_per_second_min);
    last_ = now;
  }

  retry_budget_config config_;
  double balance_;
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::uint64_t exhausted_ = 0;
};

}  // namespace skald::resilience::detail
