#include "skald/resilience/circuit_breaker.hpp"

#include <mutex>

#include "client/resilience/src/circuit_breaker_core.hpp"

namespace skald::resilience {

namespace {

steady_time now() {
  return std::chrono::steady_clock::now();
}

bool is_percentage(double value) {
  return value > 0 && value <= 100;
}

circuit_breaker_config checked(circuit_breaker_config config) {
  const char* wrong = nullptr;
  if (!is_percentage(config.failure_rate_threshold) || !is_percentage(config.slow_call_rate_threshold))
    wrong = "thresholds are percentages, over 0 to 100";
  else if (config.sliding_window_size == 0 || config.minimum_number_of_calls == 0)
    wrong = "a sliding window and its minimum hold at least one call";
  else if (config.permitted_number_of_calls_in_half_open_state == 0)
    wrong = "without a call in half-open it would never close again";
  else if (!config.judge)
    wrong = "there has to be a judge";
  if (wrong != nullptr)
    throw error(errc::invalid_settings, "circuit breaker '" + config.name + "': " + wrong);
  return config;
}

}  // namespace

std::string_view to_string(breaker_state state) noexcept {
  switch (state) {
    case breaker_state::closed:
      return "closed";
    case breaker_state::open:
      return "open";
    case breaker_state::half_open:
      return "half_open";
    case breaker_state::forced_open:
      return "forced_open";
    case breaker_state::disabled:
      return "disabled";
  }
  return "unknown";
}

struct circuit_breaker::shared {
  explicit shared(circuit_breaker_config given) : config(std::move(given)), core(config, now()) {}

  // The core under its lock. Once that is released, the observer hears what came of it.
  class access {
   public:
    explicit access(shared& of) : of_(of), lock_(of.mutex) {}
    access(const access&) = delete;
    access& operator=(const access&) = delete;
    ~access() {
      const auto transitions = of_.core.take_transitions();
      lock_.unlock();
      if (of_.observer)
        for (const state_transition& each : transitions) of_.observer(each);
    }
    detail::circuit_breaker_core* operator->() { return &of_.core; }

   private:
    shared& of_;
    std::unique_lock<std::mutex> lock_;
  };

  const circuit_breaker_config config;
  std::function<void(const state_transition&)> observer;  // not changed once the breaker is in use
  std::mutex mutex;                                       // guards the core
  detail::circuit_breaker_core core;
};

struct circuit_breaker::permission::held {
  std::shared_ptr<shared> of;
  detail::circuit_breaker_core::ticket ticket;
  steady_time begun;

  void end(bool failed) const {
    const steady_time at = now();
    shared::access(*of)->record(ticket, failed, at - begun, at);
  }
};

circuit_breaker::permission::permission(std::unique_ptr<held> what) : held_(std::move(what)) {}

circuit_breaker::permission::permission(permission&&) noexcept = default;

circuit_breaker::permission::~permission() {
  if (held_ != nullptr) shared::access(*held_->of)->release(held_->ticket);
}

void circuit_breaker::permission::succeed() {
  if (const auto told = std::move(held_)) told->end(false);
}

void circuit_breaker::permission::fail(const std::exception_ptr& why) {
  if (held_ == nullptr) return;
  // Should the judge throw, the permission is still held, and gives its place back when it goes.
  const verdict said = held_->of->config.judge(why);
  const auto told = std::move(held_);
  if (said != verdict::ignored) return told->end(said == verdict::failure);
  shared::access(*told->of)->ignore(told->ticket);
}

circuit_breaker::circuit_breaker(circuit_breaker_config config)
    : shared_(std::make_shared<shared>(checked(std::move(config)))) {}

std::optional<circuit_breaker::permission> circuit_breaker::try_acquire() const {
  const steady_time at = now();
  const auto ticket = shared::access(*shared_)->try_acquire(at);
  if (!ticket) return std::nullopt;
  return permission(std::make_unique<permission::held>(permission::held{shared_, *ticket, at}));
}

circuit_breaker::permission circuit_breaker::acquire() const {
  if (auto allowed = try_acquire()) return std::move(*allowed);
  throw call_not_permitted("circuit breaker '" + name() + "' is " + std::string(to_string(state())) +
                           " and does not permit the call: what it guards has been failing or slow");
}

const std::string& circuit_breaker::name() const {
  return shared_->config.name;
}

breaker_state circuit_breaker::state() const {
  return shared::access(*shared_)->state();
}

circuit_breaker_metrics circuit_breaker::metrics() const {
  return shared::access(*shared_)->metrics(now());
}

void circuit_breaker::on_state_transition(std::function<void(const state_transition&)> observer) {
  shared_->observer = std::move(observer);
}

void circuit_breaker::transition_to(breaker_state state) {
  shared::access(*shared_)->transition_to(state, now());
}

}  // namespace skald::resilience
