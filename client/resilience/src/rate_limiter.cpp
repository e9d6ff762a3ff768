#include "skald/resilience/rate_limiter.hpp"

#include <algorithm>
#include <mutex>

#include "client/resilience/src/pause.hpp"
#include "client/resilience/src/rate_limiter_core.hpp"

namespace skald::resilience {

namespace detail {

void rate_limiter_core::refresh(time_point now) {
  const std::int64_t cycle = (now - start_) / period_;
  if (cycle <= cycle_) return;
  // More periods than it takes to repay everything change nothing.
  const std::int64_t repaid = (limit_ - permissions_ + limit_ - 1) / limit_;
  permissions_ = std::min(limit_, permissions_ + std::min(cycle - cycle_, repaid) * limit_);
  cycle_ = cycle;
}

std::optional<rate_limiter_core::nanoseconds> rate_limiter_core::reserve(time_point now,
                                                                         nanoseconds patience) {
  refresh(now);
  nanoseconds wait{0};
  if (permissions_ < 1) {
    const std::int64_t periods = (1 - permissions_ + limit_ - 1) / limit_;  // until one is left for this call
    wait = start_ + (cycle_ + periods) * period_ - now;
  }
  if (wait > patience) return std::nullopt;
  --permissions_;
  return wait;
}

std::int64_t rate_limiter_core::available(time_point now) {
  refresh(now);
  return permissions_;
}

}  // namespace detail

struct rate_limiter::shared {
  explicit shared(rate_limiter_config given)
      : config(std::move(given)),
        core(config.limit_for_period, config.limit_refresh_period, std::chrono::steady_clock::now()) {}

  std::optional<std::chrono::nanoseconds> reserve(std::chrono::nanoseconds patience) {
    const std::lock_guard lock(mutex);
    const auto wait = core.reserve(std::chrono::steady_clock::now(), patience);
    ++(wait ? permitted : not_permitted);
    return wait;
  }

  const rate_limiter_config config;
  std::mutex mutex;  // guards what follows
  detail::rate_limiter_core core;
  std::uint64_t permitted = 0;
  std::uint64_t not_permitted = 0;
};

rate_limiter::rate_limiter(rate_limiter_config config) {
  if (config.limit_for_period == 0 || config.limit_refresh_period.count() <= 0 ||
      config.timeout_duration.count() < 0)
    throw error(
        errc::invalid_settings,
        "rate limiter '" + config.name + "': it needs a limit and a period over 0, and no negative timeout");
  shared_ = std::make_shared<shared>(std::move(config));
}

boost::asio::awaitable<void> rate_limiter::acquire_of(rate_limiter self) {
  const auto wait = self.shared_->reserve(self.shared_->config.timeout_duration);
  if (!wait)
    throw request_not_permitted("rate limiter '" + self.name() + "' has no permission to give within " +
                                std::to_string(self.shared_->config.timeout_duration.count()) + " ms");
  if (wait->count() > 0) co_await detail::pause(*wait);
}

bool rate_limiter::try_acquire() const {
  return shared_->reserve(std::chrono::nanoseconds(0)).has_value();
}

const std::string& rate_limiter::name() const {
  return shared_->config.name;
}

rate_limiter_metrics rate_limiter::metrics() const {
  const std::lock_guard lock(shared_->mutex);
  return {.available_permissions = shared_->core.available(std::chrono::steady_clock::now()),
          .permitted_total = shared_->permitted,
          .not_permitted_total = shared_->not_permitted};
}

}  // namespace skald::resilience
