// Reports for an instance of a service, from a thread of its own.
//
//   skald::outbox::sqlite_store watched("customers.db");       // a connection of the reporter's own
//   skald::health::reporter health(broker, "customers", "customers-1");
//   health.watch("customers.db", watched);
//   health.watch(prices);                                       // a circuit breaker
//   health.start();
//
// `skald doctor` reads it. A report that cannot be published is made anew the next time: that the broker is
// away harms nobody here, and is seen there as silence.
//
// Threading: one thread at a time; what is watched is asked by the reporter's thread between start() and
// stop(). Lifetime: the client and the stores outlive it; of breakers it has a handle.
#pragma once

#include <memory>
#include <string>

#include <skald/health/report.hpp>
#include <skald/outbox/store.hpp>
#include <skald/resilience/circuit_breaker.hpp>

namespace skald {
class blocking_client;
}

namespace skald::health {

class reporter {
 public:
  // Throws skald::error (invalid_request) unless the names are not empty, the service's is without '/', and
  // both together have at most 200 bytes. Does no I/O.
  reporter(blocking_client& broker, std::string service, std::string instance,
           milliseconds every = milliseconds(5'000));
  // Stops.
  ~reporter();
  reporter(const reporter&) = delete;
  reporter& operator=(const reporter&) = delete;

  // Before start().
  void watch(std::string name, outbox::store& what);
  void watch(resilience::circuit_breaker what);

  // Makes the topic, unless it is there, and the first report, as soon as the broker can be reached.
  void start();
  // Withdraws the report, if the broker can be reached within a moment. Idempotent.
  void stop();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace skald::health
