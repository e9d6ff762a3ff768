#include "skald/resilience/bulkhead.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <mutex>

namespace skald::resilience {

// One that waits. The timer is its own executor's; the rest is guarded by the bulkhead's mutex.
struct bulkhead::waiter {
  explicit waiter(const boost::asio::any_io_executor& executor) : timer(executor) {}
  boost::asio::steady_timer timer;
  bool served = false;  // it has a place, and is no longer in the line
};

struct bulkhead::shared {
  explicit shared(bulkhead_config given) : config(std::move(given)), free(config.max_concurrent_calls) {}

  bool take() {
    const std::lock_guard lock(mutex);
    return take_locked();
  }
  bool take_locked() {
    if (free == 0 || !line.empty()) return false;
    --free;
    ++permitted;
    return true;
  }

  // A place has become free: it goes to the first in the line, without being free in between.
  void give_back() {
    const std::lock_guard lock(mutex);
    if (line.empty()) {
      ++free;
      return;
    }
    const std::shared_ptr<waiter> next = line.front();
    line.pop_front();
    next->served = true;
    ++permitted;
    boost::asio::post(next->timer.get_executor(), [next] { next->timer.cancel(); });
  }

  const bulkhead_config config;
  std::mutex mutex;  // guards what follows
  std::uint32_t free;
  std::list<std::shared_ptr<waiter>> line;
  std::uint64_t permitted = 0;
  std::uint64_t rejected = 0;
};

bulkhead::permission::permission(std::shared_ptr<shared> of) : of_(std::move(of)) {}

bulkhead::permission::permission(permission&&) noexcept = default;

bulkhead::permission::~permission() {
  if (of_ != nullptr) of_->give_back();
}

// Leaves the line when it goes, also with a coroutine that is destroyed while it waits.
class bulkhead::place_in_line {
 public:
  place_in_line(std::shared_ptr<shared> of, std::shared_ptr<waiter> who)
      : of_(std::move(of)), who_(std::move(who)) {}
  place_in_line(const place_in_line&) = delete;
  place_in_line& operator=(const place_in_line&) = delete;
  ~place_in_line() {
    if (served()) of_->give_back();
  }

  // The place that it was served with meanwhile, if any. Either way it waits no longer.
  std::optional<permission> leave() {
    const bool has = served();
    who_.reset();
    if (!has) return std::nullopt;
    return permission(of_);
  }

 private:
  bool served() {
    if (who_ == nullptr) return false;
    const std::lock_guard lock(of_->mutex);
    if (!who_->served) {
      of_->line.remove(who_);
      ++of_->rejected;
    }
    return who_->served;
  }

  std::shared_ptr<shared> of_;
  std::shared_ptr<waiter> who_;
};

bulkhead::bulkhead(bulkhead_config config) {
  if (config.max_concurrent_calls == 0 || config.max_wait_duration.count() < 0)
    throw error(errc::invalid_settings,
                "bulkhead '" + config.name + "': it needs a place at least, and no negative wait");
  shared_ = std::make_shared<shared>(std::move(config));
}

std::optional<bulkhead::permission> bulkhead::try_acquire() const {
  if (shared_->take()) return permission(shared_);
  const std::lock_guard lock(shared_->mutex);
  ++shared_->rejected;
  return std::nullopt;
}

boost::asio::awaitable<bulkhead::permission> bulkhead::acquire_of(bulkhead self) {
  const std::shared_ptr<shared> state = self.shared_;
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto who = std::make_shared<waiter>(executor);
  bool waits = false;
  {
    const std::lock_guard lock(state->mutex);
    if (state->take_locked()) co_return permission(state);
    waits =
        state->config.max_wait_duration.count() > 0 && state->line.size() < state->config.max_waiting_calls;
    if (waits)
      state->line.push_back(who);
    else
      ++state->rejected;
  }
  const std::string full = "bulkhead '" + self.name() +
                           "' is full: " + std::to_string(state->config.max_concurrent_calls) +
                           " calls are on their way";
  if (!waits) throw bulkhead_full(full);

  place_in_line place(state, who);
  // Whoever serves this waiter posts to this executor, so that the timer is set before it is cancelled.
  who->timer.expires_after(state->config.max_wait_duration);
  boost::system::error_code interrupted;
  co_await who->timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, interrupted));
  if (auto served = place.leave()) co_return std::move(*served);
  if (interrupted) throw error(errc::cancelled, "the call was cancelled while it waited for a place");
  throw bulkhead_full(full + ", and none ended in time");
}

const std::string& bulkhead::name() const {
  return shared_->config.name;
}

bulkhead_metrics bulkhead::metrics() const {
  const std::lock_guard lock(shared_->mutex);
  return {.available_concurrent_calls = shared_->free,
          .waiting_calls = static_cast<std::uint32_t>(shared_->line.size()),
          .permitted_total = shared_->permitted,
          .rejected_total = shared_->rejected};
}

}  // namespace skald::resilience
