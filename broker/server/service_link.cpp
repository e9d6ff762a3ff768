#include "broker/server/service_link.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace skald::server {

using delivery::milliseconds;
using delivery::service_registry;
using delivery::steady_time;

namespace {

// A connection's number says which link it is behind.
constexpr unsigned place_bits = 8;

std::size_t place_of(delivery::peer_id who) {
  return static_cast<std::size_t>(who.value() & ((1u << place_bits) - 1));
}

}  // namespace

// ---- the registry's side ---------------------------------------------------------------------------------

service_hub::service_hub(executor& runs_on, const delivery::service_settings& limits,
                         std::function<steady_time()> now)
    : runs_on_(runs_on), registry_(limits), now_(std::move(now)) {}

std::uint64_t service_hub::add(service_link& link) {
  assert(links_.size() < 1u << place_bits);
  links_.push_back(&link);
  outbound_.resize(links_.size());
  return links_.size() - 1;
}

template <class Event>
void service_hub::perform(Event&& event) {
  assert(runs_on_.running_here());
  assert(performing_.empty());  // no session asks anything while it is told something
  event(registry_, now_());
  dispatch();
  arm();
}

void service_hub::dispatch() {
  if (registry_.effects().empty()) return;
  performing_.swap(registry_.effects());
  for (delivery::service_effect& one : performing_) {
    const std::size_t place = place_of(delivery::receiver_of(one));
    if (&links_[place]->here_ == &runs_on_) {
      links_[place]->deliver(std::move(one));
    } else {
      outbound_[place].push_back(std::move(one));
    }
  }
  performing_.clear();
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (outbound_[i].empty()) continue;
    auto batch = std::make_shared<delivery::service_effects>(std::exchange(outbound_[i], {}));
    links_[i]->here_.post([link = links_[i], batch] {
      for (delivery::service_effect& one : *batch) link->deliver(std::move(one));
    });
  }
}

void service_hub::arm() {
  const auto next = registry_.next_wake();
  if (!next || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  const auto wait = std::chrono::ceil<milliseconds>(*next - now_());
  // One that was armed for later, before this was due, does nothing any more.
  runs_on_.post_after(std::max(wait, milliseconds(0)), [this, at = *next] {
    if (armed_ == at) wake();
  });
}

void service_hub::wake() {
  armed_.reset();
  perform([](service_registry& services, steady_time now) { services.advance(now); });
}

// ---- a reactor's side ------------------------------------------------------------------------------------

service_link::service_link(service_hub& to, executor& here) : to_(to), here_(here), place_(to.add(*this)) {}

template <class Event>
void service_link::send(Event event) {
  if (is_here()) return to_.perform(event);
  auto kept = std::make_shared<Event>(std::move(event));
  to_.runs_on_.post([&to = to_, kept] { to.perform(*kept); });
}

void service_link::deliver(delivery::service_effect&& what) {
  const auto found = sessions_.find(delivery::receiver_of(what));
  if (found != sessions_.end()) found->second->happened(std::move(what));
}

service_port::peer_id service_link::join(listener& who) {
  const peer_id id(++last_ << place_bits | place_);
  sessions_.emplace(id, &who);
  return id;
}

void service_link::leave(peer_id who) {
  sessions_.erase(who);
  send([who](service_registry& services, steady_time now) { services.peer_lost(now, who); });
}

void service_link::stop(peer_id who) {
  send([who](service_registry& services, steady_time now) {
    services.refuse_all(now, who, errc::shutting_down,
                        "the broker is shutting down; the request may or may not have been done");
  });
}

// The subject is copied only for the way to another reactor.
void service_link::request(asker from, std::string_view subject, milliseconds timeout, delivery::body what) {
  if (is_here()) {
    return to_.perform([&](service_registry& services, steady_time now) {
      services.request(now, from, subject, timeout, std::move(what));
    });
  }
  send([from, name = std::string(subject), timeout, what = std::move(what)](service_registry& services,
                                                                            steady_time now) mutable {
    services.request(now, from, name, timeout, std::move(what));
  });
}

void service_link::request_all(asker from, std::string_view subject, milliseconds timeout,
                               delivery::body what, gather_options options) {
  send([from, name = std::string(subject), timeout, what = std::move(what), options](
           service_registry& services, steady_time now) mutable {
    services.request_all(now, from, name, timeout, std::move(what), options);
  });
}

void service_link::cancel(asker from) {
  send([from](service_registry& services, steady_time now) { services.cancel(now, from); });
}

void service_link::serve(asker from, delivery::registration what) {
  send([from, what = std::move(what)](service_registry& services, steady_time now) mutable {
    services.serve(now, from, std::move(what));
  });
}

void service_link::unserve(asker from, std::uint64_t responder) {
  send([from, responder](service_registry& services, steady_time now) {
    services.unserve(now, from, responder);
  });
}

void service_link::drain(asker from, std::uint64_t responder) {
  send([from, responder](service_registry& services, steady_time now) {
    services.drain(now, from, responder);
  });
}

void service_link::heartbeat(peer_id from, std::uint64_t responder) {
  send([from, responder](service_registry& services, steady_time now) {
    services.heartbeat(now, from, responder);
  });
}

void service_link::respond(asker from, delivery::correlation_id to, delivery::response what) {
  send([from, to, what = std::move(what)](service_registry& services, steady_time now) mutable {
    services.respond(now, from, to, std::move(what));
  });
}

void service_link::watch(asker from, std::uint64_t number, std::string_view subject) {
  send([from, number, name = std::string(subject)](service_registry& services, steady_time now) {
    services.watch(now, from, number, name);
  });
}

void service_link::unwatch(asker from, std::uint64_t number) {
  send([from, number](service_registry& services, steady_time) { services.unwatch(from, number); });
}

void service_link::list(page_options options, std::function<void(const delivery::service_page&)> done) {
  send([&here = here_, options = std::move(options), done = std::move(done)](const service_registry& services,
                                                                             steady_time now) {
    here.post([done, page = services.list(now, options)] { done(page); });
  });
}

}  // namespace skald::server
