#include "skald/resilience/retry.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <random>

#include "client/resilience/src/pause.hpp"
#include "client/resilience/src/retry_budget_core.hpp"

namespace skald::resilience {

namespace {

void check(const retry_config& config) {
  const exponential_backoff& wait = config.wait;
  const char* wrong = nullptr;
  if (config.max_attempts == 0)
    wrong = "there is at least one attempt";
  else if (wait.initial_interval.count() < 0 || wait.max_interval < wait.initial_interval ||
           wait.multiplier < 1)
    wrong = "waits are not negative and do not get shorter";
  else if (wait.randomization_factor < 0 || wait.randomization_factor > 1)
    wrong = "the randomization factor is from 0 to 1";
  else if (!config.retry_on)
    wrong = "retry_on has to say what is retried";
  if (wrong != nullptr) throw error(errc::invalid_settings, "retry '" + config.name + "': " + wrong);
}

}  // namespace

std::chrono::nanoseconds exponential_backoff::wait_after(std::uint32_t attempt, double random) const {
  using fractional = std::chrono::duration<double, std::nano>;
  const fractional longest = max_interval;
  const fractional grown = fractional(initial_interval) * std::pow(multiplier, attempt - 1);
  const double spread = 1 + randomization_factor * (2 * random - 1);
  // The power may be infinite, which min() undoes before it becomes a number of ticks.
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::min(grown, longest) * spread);
}

// ---- the budget ------------------------------------------------------------------------------------------

struct retry_budget::shared {
  explicit shared(const retry_budget_config& config) : core(config) {}
  std::mutex mutex;  // guards the core
  detail::retry_budget_core core;
};

retry_budget::retry_budget(retry_budget_config config) : shared_(std::make_shared<shared>(config)) {
  if (config.retries_per_call < 0 || config.retries_per_second_min < 0 || config.retries_saved_max < 0)
    throw error(errc::invalid_settings, "a retry budget has no negative numbers");
}

void retry_budget::deposit(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(shared_->mutex);
  shared_->core.deposit(now);
}

bool retry_budget::try_withdraw(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(shared_->mutex);
  return shared_->core.try_withdraw(now);
}

double retry_budget::balance(std::chrono::steady_clock::time_point now) const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->core.balance(now);
}

std::uint64_t retry_budget::exhausted_total() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->core.exhausted_total();
}

// ---- the retry -------------------------------------------------------------------------------------------

struct retry::shared {
  explicit shared(retry_config given) : config(std::move(given)), budget(config.budget) {}

  const retry_config config;
  std::optional<retry_budget> budget;
  std::function<void(const retry_attempt&)> observer;  // not changed once the retry is in use
  std::mutex mutex;                                    // guards what follows; taken before the budget's
  retry_metrics metrics;
  std::mt19937_64 random{std::random_device{}()};
};

retry::retry(retry_config config) {
  check(config);
  shared_ = std::make_shared<shared>(std::move(config));
}

void retry::begin() const {
  if (shared_->budget) shared_->budget->deposit(std::chrono::steady_clock::now());
}

std::optional<std::chrono::nanoseconds> retry::next_wait(std::uint32_t attempt,
                                                         const std::exception_ptr& why) const {
  shared& state = *shared_;
  const bool worth_it = attempt < state.config.max_attempts && state.config.retry_on(why);
  std::unique_lock lock(state.mutex);
  const bool affordable =
      !worth_it || !state.budget || state.budget->try_withdraw(std::chrono::steady_clock::now());
  if (!affordable) ++state.metrics.retries_out_of_budget;
  if (!worth_it || !affordable) {
    ++(attempt == 1 ? state.metrics.failed_calls_without_retry : state.metrics.failed_calls_with_retry);
    return std::nullopt;
  }
  ++state.metrics.retries;
  const double random = std::uniform_real_distribution<>(0, 1)(state.random);
  lock.unlock();
  const auto wait = state.config.wait.wait_after(attempt, random);
  if (state.observer) state.observer({.attempt = attempt, .wait = wait, .why = why});
  return wait;
}

void retry::count_success(std::uint32_t attempts) const {
  const std::lock_guard lock(shared_->mutex);
  retry_metrics& metrics = shared_->metrics;
  ++(attempts == 1 ? metrics.successful_calls_without_retry : metrics.successful_calls_with_retry);
}

boost::asio::awaitable<void> retry::pause(std::chrono::nanoseconds wait) {
  return detail::pause(wait);
}

const std::string& retry::name() const {
  return shared_->config.name;
}

retry_metrics retry::metrics() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->metrics;
}

void retry::on_retry(std::function<void(const retry_attempt&)> observer) {
  shared_->observer = std::move(observer);
}

}  // namespace skald::resilience
