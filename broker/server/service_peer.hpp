// What one session has to do with services: it speaks for the session to the registry, and writes what comes
// back. A session that has nothing to do with services costs them nothing.
//
// Runs on the session's reactor.
#pragma once

#include "broker/server/service_port.hpp"
#include "protocol/wire.hpp"

namespace skald::server {

class session;

class service_peer final : public service_port::listener {
 public:
  explicit service_peer(session& of) : session_(of) {}
  ~service_peer() { clear(); }
  service_peer(const service_peer&) = delete;
  service_peer& operator=(const service_peer&) = delete;

  void request(std::uint64_t id, const wire::Request& message, slice payload);
  void request_all(std::uint64_t id, const wire::RequestAll& message, slice payload);
  void cancel(const wire::CancelRequest& message);
  void serve(std::uint64_t id, const wire::Serve& message);
  void unserve(std::uint64_t id, const wire::Unserve& message);
  void drain(std::uint64_t id, const wire::Drain& message);
  void heartbeat(const wire::Heartbeat& message);
  void respond(std::uint64_t id, const wire::Respond& message, slice payload);
  void list(std::uint64_t id, const wire::ListServices& message);
  void watch(std::uint64_t id, const wire::WatchServices& message);
  void unwatch(std::uint64_t id, const wire::UnwatchServices& message);

  // Answers what the session still waits for; the broker stops.
  void stop();
  // What it asked and served is over.
  void clear();

  void happened(delivery::service_effect&& what) override;

 private:
  service_port::asker asker(std::uint64_t id);
  bool takes_too_slowly(std::size_t bytes_coming) const;

  // One for each effect.
  void write(delivery::effect::deliver&& what);
  void write(const delivery::effect::cancel& what);
  void write(delivery::effect::reply&& what);
  void write(delivery::effect::partial_reply&& what);
  void write(const delivery::effect::gathered& what);
  void write(const delivery::effect::unanswered& what);
  void write(const delivery::effect::serving& what);
  void write(const delivery::effect::done& what);
  void write(const delivery::effect::refused& what);
  void write(const delivery::effect::responder_ended& what);
  void write(const delivery::effect::changed& what);

  session& session_;
  delivery::peer_id id_;  // none until the session first has to do with services
};

}  // namespace skald::server
