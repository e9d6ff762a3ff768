// Services: who serves what, which request is with whom, and what becomes of it. Events in, effects out.
//
// Every event takes the time, never less than the time before, and appends its effects to effects(), which
// whoever drives the registry performs in order and clears. advance() is to be called at next_wake().
//
// Complexity: an event costs O(log n) in the instances of a service and the requests under way, and allocates
// only for what it adds. Not thread-safe.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/delivery/latency_histogram.hpp"
#include "broker/delivery/service_types.hpp"
#include "skald/protocol/result.hpp"

namespace skald::delivery {

class service_registry {
 public:
  explicit service_registry(const service_settings& limits);
  ~service_registry();
  service_registry(const service_registry&) = delete;
  service_registry& operator=(const service_registry&) = delete;

  // ---- callers: answered by reply or unanswered; request_all by gathered, after the partial replies ------
  // `timeout` 0: the default.
  void request(steady_time now, asker from, std::string_view subject, milliseconds timeout, body what);
  struct gather_options {
    std::uint32_t replies_max = 0;  // 0: all
    bool ping = false;
  };
  void request_all(steady_time now, asker from, std::string_view subject, milliseconds timeout, body what,
                   gather_options options);
  // The request gets no answer. An unknown one is ignored.
  void cancel(steady_time now, asker from);

  // ---- responders: answered by serving, done or refused ---------------------------------------------------
  void serve(steady_time now, asker from, registration what);
  void unserve(steady_time now, asker from, std::uint64_t responder);
  void drain(steady_time now, asker from, std::uint64_t responder);
  void heartbeat(steady_time now, peer_id from, std::uint64_t responder);
  // Not answered when its request is 0.
  void respond(steady_time now, asker from, correlation_id to, response what);

  // ---- discovery ------------------------------------------------------------------------------------------
  void watch(steady_time now, asker from, std::uint64_t number, const std::string& subject);
  void unwatch(asker from, std::uint64_t number);
  struct page_options {
    std::string subject = {};  // empty: all
    std::string after_subject = {};
    std::string after_instance = {};
    std::size_t limit = 1000;
  };
  service_page list(steady_time now, const page_options& options) const;

  // ---- connections and time -------------------------------------------------------------------------------
  // Whatever it asked and served goes with it.
  void peer_lost(steady_time now, peer_id gone);
  // Fails all that it still waits for.
  void refuse_all(steady_time now, peer_id of, errc code, const std::string& why);
  void advance(steady_time now);
  std::optional<steady_time> next_wake() const;

  service_effects& effects() { return effects_; }
  // Replies to correlations that their sender was not given, or had answered.
  std::uint64_t unknown_replies() const { return unknown_replies_; }
  // Of the bodies of all requests that wait or are with an instance.
  std::size_t body_bytes() const { return body_bytes_; }
  // Requests that wait, are with an instance, or are abandoned.
  std::size_t calls() const { return calls_.size(); }

 private:
  struct call;
  struct instance;
  struct service;
  struct gathering;
  struct peer;
  struct by_load {
    bool operator()(const instance* left, const instance* right) const;
  };
  struct timer {
    steady_time at;
    bool of_instance;
    std::uint64_t id;
    bool operator>(const timer& other) const { return at > other.at; }
  };

  // Calls; service_calls.cpp.
  call* open(steady_time now, asker from, service& of, milliseconds timeout);
  void deliver(steady_time now, call& which, instance& to, body what);
  void ask_one(steady_time now, const std::shared_ptr<gathering>& into, instance& one, bool ping,
               milliseconds timeout, const body& what);
  void answer(call& which, errc error, response what);
  void answer_error(call& which, errc error, std::string why);
  void answer_gathering(call& which, errc error, response what);
  void finish_gathering(const std::shared_ptr<gathering>& which);
  void abandon(steady_time now, call& which, bool tell);
  void withdraw(steady_time now, call& which);
  void close(steady_time now, call& which);
  void expire(steady_time now, call& which);
  void pump(steady_time now, service& of);
  void refuse_waiting(service& of);
  milliseconds effective(milliseconds timeout) const;

  // Instances; service_registry.cpp.
  instance* find(peer_id of, std::uint64_t responder);
  bool can_take(const instance& one) const;
  void unlist(instance& one);
  void list(instance& one);
  void count_takers(service& of);
  void heard_from(steady_time now, instance& from);
  void check_health(steady_time now, instance& one);
  void remove(steady_time now, instance& gone, const std::string& reason);
  void finish_drain(steady_time now, instance& gone);
  void tell(steady_time now, const instance& about, instance_state state, const std::string& reason);
  result<> check(const registration& what, const peer& from) const;
  std::string unused_id(const service& of);

  void wake_at(steady_time at, bool of_instance, std::uint64_t id);
  bool is_stale(const timer& one) const;
  void refuse(asker from, errc code, std::string why);
  void refuse_request(asker from, errc code, std::string why);
  static service_statistics statistics_of(const service_statistics& counted,
                                          const latency_histogram& latency);
  static instance_snapshot snapshot_of(steady_time now, const instance& of);

  const service_settings limits_;
  std::map<std::string, std::unique_ptr<service>, std::less<>> services_;
  std::unordered_map<std::uint64_t, std::unique_ptr<instance>> instances_;
  std::unordered_map<std::uint64_t, call> calls_;
  std::unordered_map<peer_id, peer> peers_;
  std::map<std::pair<peer_id, std::uint64_t>, std::string> watches_;  // the subject; empty: all
  std::vector<timer> timers_;  // a heap; those of calls that are over stay until it is swept
  service_effects effects_;
  std::uint64_t last_correlation_ = 0;
  std::uint64_t last_instance_ = 0;
  std::uint64_t last_use_ = 0;
  std::uint64_t unknown_replies_ = 0;
  std::size_t body_bytes_ = 0;
};

}  // namespace skald::delivery
