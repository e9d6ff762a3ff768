// Calls: requests from when they come in until nobody owes anything for them.
#include <algorithm>
#include <cassert>

#include "broker/delivery/service_registry_impl.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::delivery {

namespace {

// What waits should not keep the large block that it was received in.
constexpr std::size_t copied_bytes_max = 16u << 10;

std::size_t bytes_of(const body& what) {
  std::size_t bytes = what.payload.size();
  for (const auto& [name, value] : what.headers) bytes += name.size() + value.size();
  return bytes;
}

milliseconds left_until(steady_time deadline, steady_time now) {
  return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(deadline - now));
}

std::string too_large(const char* what, std::size_t bytes, std::size_t bytes_max) {
  return std::string(what) + " of " + std::to_string(bytes) + " bytes is over the limit of " +
         std::to_string(bytes_max) + "; put what is large elsewhere, and send where";
}

}  // namespace

milliseconds service_registry::effective(milliseconds timeout) const {
  return timeout.count() == 0 ? limits_.timeout_default : std::min(timeout, limits_.timeout_max);
}

void service_registry::refuse_request(asker from, errc code, std::string why) {
  effects_.emplace_back(effect::unanswered{from.peer, from.request, code, std::move(why)});
}

// ---- asking ---------------------------------------------------------------------------------------------

void service_registry::request(steady_time now, asker from, std::string_view subject, milliseconds timeout,
                               body what) {
  const std::size_t bytes = bytes_of(what);
  const auto found = services_.find(subject);
  if (found == services_.end() || found->second->takers == 0) {
    if (const result<> name = protocol::check_topic_name(subject); !name) {
      return refuse_request(from, name.error().code, name.error().message);
    }
    return refuse_request(from, errc::no_responders,
                          "no healthy instance serves '" + std::string(subject) + "'");
  }
  service& of = *found->second;
  if (bytes > limits_.payload_bytes_max) {
    return refuse_request(from, errc::payload_too_large,
                          too_large("a request", bytes, limits_.payload_bytes_max));
  }
  if (body_bytes_ + bytes > limits_.body_bytes_max) {
    return refuse_request(from, errc::overloaded,
                          "the broker holds as many bytes of requests as it may; try again later");
  }
  const bool waits = of.free.empty() || of.waiting_count > 0;
  if (waits && of.waiting_count >= limits_.waiting_max) {
    return refuse_request(from, errc::overloaded,
                          std::to_string(of.waiting_count) + " requests wait for an instance of '" +
                              of.subject + "' already; try again later, or start more instances");
  }
  call* const opened = open(now, from, of, timeout);
  if (opened == nullptr) return;
  opened->bytes = bytes;
  body_bytes_ += bytes;
  ++of.counted.requests;
  if (!waits) return deliver(now, *opened, **of.free.begin(), std::move(what));
  if (what.payload.size() <= copied_bytes_max) what.payload = slice::copy_of(what.payload.bytes());
  opened->waiting = std::move(what);
  of.waiting.push_back(*opened);
  ++of.waiting_count;
}

// Null when the connection has too many, and was told so.
service_registry::call* service_registry::open(steady_time now, asker from, service& of,
                                               milliseconds timeout) {
  peer& caller = peers_[from.peer];
  if (caller.requests.size() >= limits_.requests_per_peer_max) {
    refuse_request(from, errc::overloaded,
                   "the connection has " + std::to_string(limits_.requests_per_peer_max) +
                       " requests in flight and may not have more");
    return nullptr;
  }
  const std::uint64_t id = ++last_correlation_;
  if (!caller.requests.try_emplace(from.request, peer::open_request{id, nullptr}).second) {
    refuse_request(from, errc::invalid_request,
                   "request " + std::to_string(from.request) + " is not answered yet; use another id");
    return nullptr;
  }
  call& made = calls_[id];
  made.id = id;
  made.from = from;
  made.of = &of;
  made.arrived = now;
  made.deadline = made.wake = now + effective(timeout);
  wake_at(made.wake, false, id);
  return &made;
}

void service_registry::deliver(steady_time now, call& which, instance& to, body what) {
  which.at = &to;
  which.delivered = now;
  to.calls.push_back(which);
  if (which.ping) {
    ++to.pings;
  } else {
    unlist(to);
    ++to.in_flight;
    to.bytes += which.bytes;
    to.last_use = ++last_use_;
    ++to.counted.requests;
    list(to);
  }
  effects_.emplace_back(effect::deliver{to.peer, to.responder, correlation_id(which.id),
                                        left_until(which.deadline, now), which.ping, std::move(what)});
}

void service_registry::pump(steady_time now, service& of) {
  while (!of.waiting.empty() && !of.free.empty()) {
    call& next = of.waiting.front();
    if (next.deadline <= now) {
      expire(now, next);
      continue;
    }
    of.waiting.pop_front();
    --of.waiting_count;
    deliver(now, next, **of.free.begin(), std::move(next.waiting));
  }
}

void service_registry::refuse_waiting(service& of) {
  while (!of.waiting.empty()) {
    call& next = of.waiting.front();
    answer_error(
        next, errc::no_responders,
        "the last healthy instance of '" + of.subject + "' has gone while the request waited for it");
    body_bytes_ -= next.bytes;
    --of.waiting_count;
    calls_.erase(next.id);
  }
}

// ---- asking all -----------------------------------------------------------------------------------------

void service_registry::request_all(steady_time now, asker from, std::string_view subject,
                                   milliseconds timeout, body what, gather_options options) {
  const std::size_t bytes = bytes_of(what);
  const auto found = services_.find(subject);
  if (found == services_.end() || (found->second->takers == 0 && !options.ping)) {
    return request(now, from, subject, timeout, std::move(what));  // which says why not
  }
  service& of = *found->second;
  if (bytes > limits_.payload_bytes_max) {
    return refuse_request(from, errc::payload_too_large,
                          too_large("a request", bytes, limits_.payload_bytes_max));
  }
  peer& caller = peers_[from.peer];
  if (caller.requests.size() >= limits_.requests_per_peer_max || caller.requests.contains(from.request)) {
    return static_cast<void>(open(now, from, of, timeout));  // likewise
  }
  auto into = std::make_shared<gathering>();
  into->from = from;
  into->replies_max = options.replies_max;
  caller.requests.emplace(from.request, peer::open_request{0, into});

  std::vector<instance*> asked;
  for (const auto& [id, one] : of.instances) {
    if (options.ping || (one->healthy && !one->draining)) asked.push_back(one);
  }
  for (instance* const one : asked) ask_one(now, into, *one, options.ping, timeout, what);
  into->asking = false;
  if (into->outstanding == 0) finish_gathering(into);
}

void service_registry::ask_one(steady_time now, const std::shared_ptr<gathering>& into, instance& one,
                               bool ping, milliseconds timeout, const body& what) {
  const std::size_t bytes = bytes_of(what);
  ++into->asked;
  ++into->outstanding;
  call& made = calls_[++last_correlation_];
  made.id = last_correlation_;
  made.from = into->from;
  made.of = one.of;
  made.into = into;
  made.ping = ping;
  made.arrived = now;
  made.deadline = made.wake = now + effective(timeout);
  const bool may_have_it = ping ? one.pings < limits_.pings_per_instance_max
                                : can_take(one) && body_bytes_ + bytes <= limits_.body_bytes_max;
  if (!may_have_it) {
    made.at = &one;
    answer_error(made, errc::overloaded, "instance '" + *one.id + "' has as many requests as it takes");
    calls_.erase(made.id);
    return;
  }
  wake_at(made.wake, false, made.id);
  into->calls.push_back(made.id);
  if (!ping) {
    ++one.of->counted.requests;
    made.bytes = bytes;
    body_bytes_ += bytes;
  }
  deliver(now, made, one, what);
}

void service_registry::answer_gathering(call& which, errc error, response what) {
  const std::shared_ptr<gathering> into = which.into;
  effects_.emplace_back(effect::partial_reply{into->from.peer, into->from.request,
                                              which.at != nullptr ? which.at->id : nullptr, error,
                                              std::move(what)});
  if (error == errc::ok) ++into->replied;
  --into->outstanding;
  which.from = {};
  const bool enough = into->replies_max != 0 && into->replied >= into->replies_max;
  if (!into->asking && (into->outstanding == 0 || enough)) finish_gathering(into);
}

void service_registry::finish_gathering(const std::shared_ptr<gathering>& which) {
  if (std::exchange(which->over, true)) return;
  effects_.emplace_back(
      effect::gathered{which->from.peer, which->from.request, which->asked, which->replied});
  if (const auto caller = peers_.find(which->from.peer); caller != peers_.end()) {
    caller->second.requests.erase(which->from.request);
  }
}

// ---- answering ------------------------------------------------------------------------------------------

void service_registry::answer(call& which, errc error, response what) {
  if (which.into) return answer_gathering(which, error, std::move(what));
  const asker from = std::exchange(which.from, {});
  if (const auto caller = peers_.find(from.peer); caller != peers_.end()) {
    caller->second.requests.erase(from.request);
  }
  if (error == errc::ok || error == errc::responder_failed) {
    effects_.emplace_back(effect::reply{from.peer, from.request, which.at->id, std::move(what)});
  } else {
    refuse_request(from, error, std::move(what.message));
  }
}

void service_registry::answer_error(call& which, errc error, std::string why) {
  response what;
  what.message = std::move(why);
  answer(which, error, std::move(what));
}

void service_registry::respond(steady_time now, asker from, correlation_id to, response what) {
  const auto found = calls_.find(to.value());
  if (found == calls_.end() || found->second.at == nullptr || found->second.at->peer != from.peer) {
    ++unknown_replies_;
    if (from.request == 0) return;
    return refuse(from, errc::unknown_request,
                  "no request with correlation " + std::to_string(to.value()) +
                      " waits for a reply of this connection; it was answered, or never given to it");
  }
  call& which = found->second;
  instance& by = *which.at;
  heard_from(now, by);
  const std::size_t bytes = bytes_of(what.content);
  errc refused = errc::ok;
  std::string why;
  if (which.abandoned()) {
    ++by.counted.late;
    ++which.of->counted.late;
    refused = errc::unknown_request;
    why = "the reply is too late: the caller no longer waits for it";
  } else if (bytes > limits_.payload_bytes_max) {
    refused = errc::payload_too_large;
    why = too_large("a reply", bytes, limits_.payload_bytes_max);
    answer_error(which, refused, why);
  } else {
    const bool failed = what.failed;
    if (!which.ping) {
      by.latency.record(now - which.delivered);
      which.of->latency.record(now - which.arrived);
      ++(failed ? by.counted.failed : by.counted.replies);
      ++(failed ? which.of->counted.failed : which.of->counted.replies);
    }
    answer(which, failed ? errc::responder_failed : errc::ok, std::move(what));
  }
  const std::shared_ptr<gathering> into = which.into;
  close(now, which);
  if (into && into->over) {
    for (const std::uint64_t id : std::exchange(into->calls, {})) {
      const auto other = calls_.find(id);
      if (other != calls_.end() && !other->second.abandoned()) abandon(now, other->second, true);
    }
  }
  if (from.request == 0) return;
  if (refused != errc::ok) return refuse(from, refused, std::move(why));
  effects_.emplace_back(effect::done{from.peer, from.request});
}

// ---- ending ---------------------------------------------------------------------------------------------

void service_registry::cancel(steady_time now, asker from) {
  const auto caller = peers_.find(from.peer);
  if (caller == peers_.end()) return;
  auto open = caller->second.requests.extract(from.request);
  if (!open) return;
  if (!open.mapped().into) return withdraw(now, calls_.at(open.mapped().call));
  const std::shared_ptr<gathering> into = open.mapped().into;
  into->over = true;
  for (const std::uint64_t id : into->calls) {
    const auto one = calls_.find(id);
    if (one != calls_.end() && !one->second.abandoned()) withdraw(now, one->second);
  }
}

void service_registry::refuse_all(steady_time now, peer_id of, errc code, const std::string& why) {
  const auto caller = peers_.find(of);
  if (caller == peers_.end()) return;
  std::vector<std::uint64_t> asked;
  asked.reserve(caller->second.requests.size());
  for (const auto& [request, open] : caller->second.requests) asked.push_back(request);
  for (const std::uint64_t request : asked) {
    cancel(now, {of, request});
    refuse_request({of, request}, code, why);
  }
}

// Its caller does not want it any more.
void service_registry::withdraw(steady_time now, call& which) {
  if (!which.ping) {
    ++which.of->counted.cancelled;
    if (which.at != nullptr) ++which.at->counted.cancelled;
  }
  if (which.at != nullptr) return abandon(now, which, true);
  body_bytes_ -= which.bytes;
  --which.of->waiting_count;
  calls_.erase(which.id);
}

// Its responder still owes an answer, which will be late.
void service_registry::abandon(steady_time now, call& which, bool tell) {
  which.from = {};
  if (tell) {
    effects_.emplace_back(effect::cancel{which.at->peer, which.at->responder, correlation_id(which.id)});
  }
  which.wake = now + limits_.abandoned_kept;
  wake_at(which.wake, false, which.id);
}

void service_registry::expire(steady_time now, call& which) {
  if (which.abandoned()) return close(now, which);
  if (!which.ping) {
    ++which.of->counted.expired;
    if (which.at != nullptr) ++which.at->counted.expired;
  }
  const std::string after =
      " within " +
      std::to_string(std::chrono::duration_cast<milliseconds>(which.deadline - which.arrived).count()) +
      " ms";
  if (which.at != nullptr) {
    answer_error(which, errc::deadline_exceeded,
                 "instance '" + *which.at->id + "' of service '" + which.of->subject + "' has not replied" +
                     after + "; it may still do what was asked");
    return abandon(now, which, false);
  }
  answer_error(which, errc::deadline_exceeded,
               "no instance of service '" + which.of->subject + "' was free" + after + "; nothing was done");
  body_bytes_ -= which.bytes;
  --which.of->waiting_count;
  calls_.erase(which.id);
}

// Nobody owes anything for it any more; its place is free.
void service_registry::close(steady_time now, call& which) {
  instance& at = *which.at;
  body_bytes_ -= which.bytes;
  if (which.ping) {
    --at.pings;
  } else {
    unlist(at);
    --at.in_flight;
    at.bytes -= which.bytes;
    list(at);
  }
  calls_.erase(which.id);
  if (at.draining && at.drain_request != 0 && at.in_flight == 0) return finish_drain(now, at);
  pump(now, *at.of);
}

}  // namespace skald::delivery
