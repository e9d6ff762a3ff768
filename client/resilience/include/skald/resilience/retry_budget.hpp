// A budget that keeps retries from becoming the load that keeps the callee down.
//
// Every call earns a fraction of a retry, every retry spends one, and a few a second are free, so that
// callers with little to do may retry at all. What is not spent is kept up to a limit. When nothing is left,
// failures are passed on at once. Share one budget among all retries of one callee.
//
// Threading: thread safe. Copies are handles of one budget.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

namespace skald::resilience {

struct retry_budget_config {
  double retries_per_call = 0.2;
  double retries_per_second_min = 1;
  double retries_saved_max = 10;  // what it starts with
};

class retry_budget {
 public:
  // Throws skald::error (invalid_settings) for negative numbers.
  explicit retry_budget(retry_budget_config config = {});

  void deposit(std::chrono::steady_clock::time_point now);
  bool try_withdraw(std::chrono::steady_clock::time_point now);
  // How many retries there are.
  double balance(std::chrono::steady_clock::time_point now) const;
  // How often there was none.
  std::uint64_t exhausted_total() const;

 private:
  struct shared;
  std::shared_ptr<shared> shared_;
};

}  // namespace skald::resilience
