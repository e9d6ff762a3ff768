// What sessions ask of the registry of services, wherever that runs, and what they hear from it.
//
// Threading: a port belongs to one reactor and is used there only. Effects for a session come on that
// reactor: during the call that caused them where the registry runs on the same reactor, later otherwise.
#pragma once

#include <functional>
#include <string_view>

#include "broker/delivery/service_registry.hpp"

namespace skald::server {

class service_port {
 public:
  // A session.
  class listener {
   public:
    virtual void happened(delivery::service_effect&& what) = 0;

   protected:
    ~listener() = default;
  };
  using asker = delivery::asker;
  using peer_id = delivery::peer_id;
  using gather_options = delivery::service_registry::gather_options;
  using page_options = delivery::service_registry::page_options;

  virtual ~service_port() = default;

  // Makes a session known, until it leaves: then all it asked and served is over.
  virtual peer_id join(listener& who) = 0;
  virtual void leave(peer_id who) = 0;
  // Refuses what this session still waits for: the broker stops.
  virtual void stop(peer_id who) = 0;

  // See service_registry for what these mean and how they are answered.
  virtual void request(asker from, std::string_view subject, delivery::milliseconds timeout,
                       delivery::body what) = 0;
  virtual void request_all(asker from, std::string_view subject, delivery::milliseconds timeout,
                           delivery::body what, gather_options options) = 0;
  virtual void cancel(asker from) = 0;
  virtual void serve(asker from, delivery::registration what) = 0;
  virtual void unserve(asker from, std::uint64_t responder) = 0;
  virtual void drain(asker from, std::uint64_t responder) = 0;
  virtual void heartbeat(peer_id from, std::uint64_t responder) = 0;
  virtual void respond(asker from, delivery::correlation_id to, delivery::response what) = 0;
  virtual void watch(asker from, std::uint64_t number, std::string_view subject) = 0;
  virtual void unwatch(asker from, std::uint64_t number) = 0;
  virtual void list(page_options options, std::function<void(const delivery::service_page&)> done) = 0;
};

}  // namespace skald::server
