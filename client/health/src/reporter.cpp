#include "skald/health/reporter.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <skald/blocking_client.hpp>

namespace skald::health {

namespace {

constexpr std::size_t names_bytes_max = 200;
// What stopping may take when the broker is away.
constexpr milliseconds withdrawing_takes{500};

timestamp now() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

outbox_report ask(const std::string& name, outbox::store& store) {
  outbox_report made{.name = name};
  try {
    const outbox::outbox_statistics is = store.statistics();
    made.unsent = is.unsent;
    made.parked = is.parked;
    made.oldest = is.oldest_unsent;
    for (const outbox::parked_row& first : store.parked(1)) made.why = first.reason;
  } catch (const outbox::database_error& why) {
    made.why = std::string("the database could not be asked: ") + why.what();
  }
  return made;
}

breaker_report ask(const resilience::circuit_breaker& breaker) {
  const resilience::circuit_breaker_metrics is = breaker.metrics();
  const auto age = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - is.since);
  return {.name = breaker.name(),
          .state = std::string(to_string(is.state)),
          .since = now() - age,
          .failure_rate = is.failure_rate,
          .refused = is.not_permitted_total};
}

}  // namespace

struct reporter::state {
  state(blocking_client& to, std::string of, std::string by, milliseconds how_often)
      : broker(to), service(std::move(of)), instance(std::move(by)), every(how_often) {}

  void run();
  void create_topic();
  void publish();
  void withdraw();
  // False: stop.
  bool wait();

  blocking_client& broker;
  std::string service;
  std::string instance;
  milliseconds every;
  std::vector<std::pair<std::string, std::reference_wrapper<outbox::store>>> outboxes;
  std::vector<resilience::circuit_breaker> breakers;
  bool created = false;
  bool published = false;

  std::mutex mutex;  // guards `stopping`
  std::condition_variable changed;
  bool stopping = false;
  std::thread thread;
};

void reporter::state::run() {
  do {
    try {
      create_topic();
      publish();
    } catch (const error& why) {
      if (why.code() == errc::closed) return;
      created = false;  // somebody may have deleted it
    }
  } while (wait());
  withdraw();
}

void reporter::state::create_topic() {
  if (created) return;
  broker.create_topic(topic, {.partitions = 1, .index = topic_index::key, .cleanup = topic_cleanup::compact},
                      {.if_absent = true, .timeout = every});
  created = true;
}

void reporter::state::publish() {
  report made{.service = service, .instance = instance, .every = every};
  for (const auto& [name, store] : outboxes) made.outboxes.push_back(ask(name, store));
  for (const resilience::circuit_breaker& one : breakers) made.breakers.push_back(ask(one));
  const std::string key = key_of(service, instance);
  const std::string value = encode(made);
  broker.publish(topic, {.key = key, .value = value}, {.timeout = every});
  published = true;
}

void reporter::state::withdraw() {
  if (!published) return;
  const std::string key = key_of(service, instance);
  try {
    broker.publish(topic, {.key = key, .value = std::nullopt}, {.timeout = withdrawing_takes});
  } catch (const error&) {
    // It is seen as silent, which says as much as can be said.
    return;
  }
}

bool reporter::state::wait() {
  std::unique_lock lock(mutex);
  return !changed.wait_for(lock, every, [this] { return stopping; });
}

reporter::reporter(blocking_client& broker, std::string service, std::string instance, milliseconds every) {
  if (service.empty() || instance.empty() || service.find('/') != std::string::npos ||
      service.size() + instance.size() > names_bytes_max)
    throw error(errc::invalid_request,
                "a service and its instance have names, of 200 bytes together at most, "
                "the service's without '/': '" +
                    service + "', '" + instance + "'");
  state_ = std::make_unique<state>(broker, std::move(service), std::move(instance), every);
}

reporter::~reporter() {
  stop();
}

void reporter::watch(std::string name, outbox::store& what) {
  state_->outboxes.emplace_back(std::move(name), what);
}

void reporter::watch(resilience::circuit_breaker what) {
  state_->breakers.push_back(std::move(what));
}

void reporter::start() {
  state_->thread = std::thread([of = state_.get()] { of->run(); });
}

void reporter::stop() {
  if (!state_->thread.joinable()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

}  // namespace skald::health
