// The way from the reactors to the registry of services, which lives on one of them.
//
// `service_hub` is the registry with its reactor; `service_link` a reactor's side of it, one for each.
// Between sessions of the hub's own reactor nothing is posted or copied: a request goes from one connection's
// input to the other's output in one call. Other reactors are reached through mailboxes, all effects of an
// event in one task for each.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "broker/base/executor.hpp"
#include "broker/server/service_port.hpp"

namespace skald::server {

class service_link;

class service_hub {
 public:
  service_hub(executor& runs_on, const delivery::service_settings& limits,
              std::function<delivery::steady_time()> now);

 private:
  friend class service_link;

  // Before anything is asked; its place among the links, at most 255.
  std::uint64_t add(service_link& link);
  // Has event(registry, now) happen here, and performs its effects. On the hub's reactor.
  template <class Event>
  void perform(Event&& event);
  void dispatch();
  void arm();
  void wake();

  executor& runs_on_;
  delivery::service_registry registry_;
  std::function<delivery::steady_time()> now_;
  std::vector<service_link*> links_;
  delivery::service_effects performing_;
  std::vector<delivery::service_effects> outbound_;  // for each link, while dispatching
  std::optional<delivery::steady_time> armed_;
};

// Destroyed once its reactor, and the hub's, have stopped.
class service_link final : public service_port {
 public:
  service_link(service_hub& to, executor& here);

  peer_id join(listener& who) override;
  void leave(peer_id who) override;
  void stop(peer_id who) override;
  void request(asker from, std::string_view subject, delivery::milliseconds timeout,
               delivery::body what) override;
  void request_all(asker from, std::string_view subject, delivery::milliseconds timeout, delivery::body what,
                   gather_options options) override;
  void cancel(asker from) override;
  void serve(asker from, delivery::registration what) override;
  void unserve(asker from, std::uint64_t responder) override;
  void drain(asker from, std::uint64_t responder) override;
  void heartbeat(peer_id from, std::uint64_t responder) override;
  void respond(asker from, delivery::correlation_id to, delivery::response what) override;
  void watch(asker from, std::uint64_t number, std::string_view subject) override;
  void unwatch(asker from, std::uint64_t number) override;
  void list(page_options options, std::function<void(const delivery::service_page&)> done) override;

 private:
  friend class service_hub;

  // Runs event(registry, now) at the hub: now if that is here, otherwise later.
  template <class Event>
  void send(Event event);
  bool is_here() const { return to_.runs_on_.running_here(); }
  void deliver(delivery::service_effect&& what);

  service_hub& to_;
  executor& here_;
  const std::uint64_t place_;
  std::uint64_t last_ = 0;
  std::unordered_map<peer_id, listener*> sessions_;
};

}  // namespace skald::server
