// A registry of services, spoken to as connections would, in simulated time.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "broker/delivery/service_registry.hpp"

namespace skald::delivery::test {

using namespace std::chrono_literals;

inline slice bytes_of(std::string_view text) {
  return slice::copy_of(std::as_bytes(std::span(text)));
}
inline std::string text_of(const body& what) {
  const auto bytes = what.payload.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline constexpr peer_id caller{1};
inline constexpr peer_id other_caller{2};

struct service_scene {
  explicit service_scene(service_settings limits = {}) : services(limits) {}

  // Serves `price` as this instance, on a connection of its own.
  peer_id serve(const std::string& instance, std::uint32_t window = 16,
                const std::string& subject = "price") {
    const peer_id peer(++last_peer);
    registration what = registration_of(instance, window, subject);
    what.heartbeat = heartbeat;
    services.serve(now, {peer, 1}, std::move(what));
    last<effect::serving>();
    return peer;
  }
  static registration registration_of(const std::string& instance, std::uint32_t window = 16,
                                      const std::string& subject = "price") {
    registration what;
    what.responder = 7;
    what.subject = subject;
    what.instance_id = instance;
    what.version = "1.0";
    what.metadata = {{"zone", "a"}};
    what.window = window;
    what.heartbeat = 1s;
    return what;
  }
  void ask(std::uint64_t request, milliseconds timeout = 10s, const std::string& payload = "sku 7",
           peer_id from = caller) {
    services.request(now, {from, request}, "price", timeout, {{}, bytes_of(payload)});
  }
  void ask_all(std::uint64_t request, service_registry::gather_options options = {},
               milliseconds timeout = 10s) {
    services.request_all(now, {caller, request}, "price", timeout, {{}, bytes_of("all")}, options);
  }
  // A reply that wants an answer.
  void respond(peer_id from, correlation_id to, const std::string& payload = "9.50") {
    services.respond(now, {from, 99}, to, {{{}, bytes_of(payload)}, false, 0, ""});
  }
  void pass(milliseconds time) {
    now += time;
    services.advance(now);
  }
  // As responders do, so that time may pass.
  void keep_alive(std::initializer_list<peer_id> responders) {
    for (const peer_id one : responders) services.heartbeat(now, one, 7);
  }

  // What has happened since the last look, of one kind, in order.
  template <class Effect>
  std::vector<Effect> all() {
    std::vector<Effect> found;
    for (const service_effect& one : services.effects()) {
      if (const auto* is = std::get_if<Effect>(&one)) found.push_back(*is);
    }
    services.effects().clear();
    return found;
  }
  template <class Effect>
  Effect last() {
    auto found = all<Effect>();
    REQUIRE(!found.empty());
    return found.back();
  }
  // Whom the only request since the last look went to.
  effect::deliver delivered() {
    auto found = all<effect::deliver>();
    REQUIRE(found.size() == 1);
    return found.front();
  }
  bool nothing() {
    const bool none = services.effects().empty();
    services.effects().clear();
    return none;
  }
  service_snapshot listed() {
    const service_page page = services.list(now, {.subject = "price"});
    REQUIRE(page.services.size() == 1);
    return page.services.front();
  }

  service_registry services;
  steady_time now{1h};
  milliseconds heartbeat{1s};
  std::uint64_t last_peer = 100;
};

}  // namespace skald::delivery::test
