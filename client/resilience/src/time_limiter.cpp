#include "skald/resilience/time_limiter.hpp"

#include <atomic>

namespace skald::resilience {

struct time_limiter::shared {
  explicit shared(time_limiter_config given) : config(std::move(given)) {}
  const time_limiter_config config;
  std::atomic<std::uint64_t> successful{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> timed_out{0};
};

time_limiter::time_limiter(time_limiter_config config) {
  if (config.timeout_duration.count() <= 0)
    throw error(errc::invalid_settings, "time limiter '" + config.name + "': its duration is over 0");
  shared_ = std::make_shared<shared>(std::move(config));
}

milliseconds time_limiter::duration() const {
  return shared_->config.timeout_duration;
}

void time_limiter::count(ending how) const {
  switch (how) {
    case ending::successful:
      ++shared_->successful;
      break;
    case ending::failed:
      ++shared_->failed;
      break;
    case ending::timed_out:
      ++shared_->timed_out;
      break;
  }
}

void time_limiter::fail(bool timed_out, const std::exception_ptr& why) const {
  count(timed_out ? ending::timed_out : ending::failed);
  if (timed_out)
    throw error(errc::deadline_exceeded, "time limiter '" + name() + "': the call took longer than " +
                                             std::to_string(duration().count()) + " ms and was cancelled");
  std::rethrow_exception(why);
}

const std::string& time_limiter::name() const {
  return shared_->config.name;
}

time_limiter_metrics time_limiter::metrics() const {
  return {.successful_total = shared_->successful,
          .failed_total = shared_->failed,
          .timed_out_total = shared_->timed_out};
}

}  // namespace skald::resilience
