// Instances: how they come, are found to be healthy or not, and leave.
#include "broker/delivery/service_registry.hpp"

#include <algorithm>
#include <cassert>

#include "broker/delivery/service_registry_impl.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::delivery {

namespace {

constexpr std::size_t instance_id_bytes_max = 249;

bool is_visible(char c) {
  return c > ' ' && c <= '~';
}

std::size_t bytes_of(const properties& list) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : list) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

service_registry::service_registry(const service_settings& limits) : limits_(limits) {}

service_registry::~service_registry() = default;

bool service_registry::by_load::operator()(const instance* left, const instance* right) const {
  return std::pair(left->in_flight, left->last_use) < std::pair(right->in_flight, right->last_use);
}

void service_registry::refuse(asker from, errc code, std::string why) {
  effects_.emplace_back(effect::refused{from.peer, from.request, code, std::move(why)});
}

// ---- coming and going -----------------------------------------------------------------------------------

result<> service_registry::check(const registration& what, const peer& from) const {
  if (const result<> name = protocol::check_topic_name(what.subject); !name) {
    return failure{name.error().code, "a subject follows the rules of topic names: " + name.error().message};
  }
  if (what.instance_id.size() > instance_id_bytes_max || !std::ranges::all_of(what.instance_id, is_visible)) {
    return failure{errc::invalid_request,
                   "an instance id has at most 249 visible ASCII characters and no spaces"};
  }
  if (bytes_of(what.metadata) + what.version.size() > limits_.metadata_bytes_max) {
    return failure{errc::invalid_request, "version and metadata of an instance have more than " +
                                              std::to_string(limits_.metadata_bytes_max) + " bytes"};
  }
  if (from.responders.contains(what.responder)) {
    return failure{errc::invalid_request,
                   "responder " + std::to_string(what.responder) + " exists; choose another number"};
  }
  if (from.responders.size() >= limits_.responders_per_peer_max) {
    return failure{errc::overloaded, "a connection may have " +
                                         std::to_string(limits_.responders_per_peer_max) +
                                         " responders; open another connection"};
  }
  if (instances_.size() >= limits_.instances_max) {
    return failure{errc::overloaded, "the broker has " + std::to_string(limits_.instances_max) +
                                         " instances of services and takes no more"};
  }
  return {};
}

std::string service_registry::unused_id(const service& of) {
  for (std::uint64_t number = last_instance_ + 1;; ++number) {
    std::string id = "instance-" + std::to_string(number);
    if (!of.instances.contains(id)) return id;
  }
}

void service_registry::serve(steady_time now, asker from, registration what) {
  peer& responder = peers_[from.peer];
  if (const result<> sound = check(what, responder); !sound) {
    return refuse(from, sound.error().code, sound.error().message);
  }
  auto found = services_.find(what.subject);
  if (found != services_.end()) {
    const auto taken = found->second->instances.find(what.instance_id);
    if (taken != found->second->instances.end()) {
      instance& old = *taken->second;
      effects_.emplace_back(effect::responder_ended{old.peer, old.responder, errc::instance_replaced,
                                                    "another responder has taken instance id '" +
                                                        what.instance_id + "' of service '" + what.subject +
                                                        "' over"});
      remove(now, old, "replaced");
      found = services_.find(what.subject);
    }
  }
  if (found == services_.end()) {
    found = services_.emplace(what.subject, std::make_unique<service>()).first;
    found->second->subject = what.subject;
  }
  service& of = *found->second;
  if (what.instance_id.empty()) what.instance_id = unused_id(of);

  auto made = std::make_unique<instance>();
  instance& added = *made;
  added.key = ++last_instance_;
  added.of = &of;
  added.peer = from.peer;
  added.responder = what.responder;
  added.id = std::make_shared<const std::string>(std::move(what.instance_id));
  added.version = std::move(what.version);
  added.metadata = std::move(what.metadata);
  added.window = what.window == 0 ? limits_.window_default : std::min(what.window, limits_.window_max);
  added.heartbeat = what.heartbeat.count() == 0
                        ? limits_.heartbeat_default
                        : std::clamp(what.heartbeat, limits_.heartbeat_min, limits_.heartbeat_max);
  added.joined = added.last_seen = now;
  added.last_use = ++last_use_;
  instances_.emplace(added.key, std::move(made));
  of.instances.emplace(*added.id, &added);
  responder.responders.emplace(added.responder, &added);

  effects_.emplace_back(effect::serving{from.peer, from.request, added.id, added.window, added.heartbeat});
  added.wake = now + limits_.heartbeats_until_unhealthy * added.heartbeat;
  wake_at(added.wake, true, added.key);
  count_takers(of);
  list(added);
  tell(now, added, instance_state::healthy, "");
  pump(now, of);
}

service_registry::instance* service_registry::find(peer_id of, std::uint64_t responder) {
  const auto connection = peers_.find(of);
  if (connection == peers_.end()) return nullptr;
  const auto found = connection->second.responders.find(responder);
  return found == connection->second.responders.end() ? nullptr : found->second;
}

void service_registry::unserve(steady_time now, asker from, std::uint64_t responder) {
  instance* const gone = find(from.peer, responder);
  if (gone == nullptr) {
    return refuse(from, errc::unknown_responder,
                  "this connection has no responder " + std::to_string(responder) + "; it may have ended");
  }
  remove(now, *gone, "withdrawn");
  effects_.emplace_back(effect::done{from.peer, from.request});
}

void service_registry::drain(steady_time now, asker from, std::uint64_t responder) {
  instance* const one = find(from.peer, responder);
  if (one == nullptr) {
    return refuse(from, errc::unknown_responder,
                  "this connection has no responder " + std::to_string(responder) + "; it may have ended");
  }
  if (one->draining) {
    return refuse(from, errc::invalid_request,
                  "responder " + std::to_string(responder) + " is draining already");
  }
  unlist(*one);
  one->draining = true;
  one->drain_request = from.request;
  count_takers(*one->of);
  tell(now, *one, instance_state::draining, "");
  if (one->in_flight == 0) return finish_drain(now, *one);
  if (one->of->takers == 0) refuse_waiting(*one->of);
}

void service_registry::finish_drain(steady_time now, instance& gone) {
  const asker from{gone.peer, std::exchange(gone.drain_request, 0)};
  remove(now, gone, "drained");
  effects_.emplace_back(effect::done{from.peer, from.request});
}

void service_registry::remove(steady_time now, instance& gone, const std::string& reason) {
  service& of = *gone.of;
  unlist(gone);
  gone.draining = true;  // takes nothing of what closing its calls sets free
  while (!gone.calls.empty()) {
    call& lost = gone.calls.front();
    if (!lost.abandoned()) {
      if (!lost.ping) {
        ++gone.counted.lost;
        ++of.counted.lost;
      }
      answer_error(lost, errc::responder_lost,
                   "instance '" + *gone.id + "' of service '" + of.subject + "' has left with the request (" +
                       reason + "); it may or may not have been done");
    }
    body_bytes_ -= std::exchange(lost.bytes, 0);
    calls_.erase(lost.id);
  }
  if (gone.drain_request != 0) {
    refuse({gone.peer, gone.drain_request}, errc::unknown_responder,
           "the responder ended before it was drained: " + reason);
  }
  tell(now, gone, instance_state::left, reason);
  of.instances.erase(*gone.id);
  if (const auto connection = peers_.find(gone.peer); connection != peers_.end()) {
    connection->second.responders.erase(gone.responder);
  }
  instances_.erase(gone.key);
  count_takers(of);
  if (of.takers == 0) refuse_waiting(of);
  pump(now, of);
  if (of.instances.empty()) services_.erase(of.subject);
}

void service_registry::peer_lost(steady_time now, peer_id gone) {
  const auto found = peers_.find(gone);
  if (found == peers_.end()) return;
  std::vector<std::uint64_t> asked;
  asked.reserve(found->second.requests.size());
  for (const auto& [request, open] : found->second.requests) asked.push_back(request);
  for (const std::uint64_t request : asked) cancel(now, {gone, request});
  while (!found->second.responders.empty()) {
    remove(now, *found->second.responders.begin()->second, "connection lost");
  }
  watches_.erase(watches_.lower_bound({gone, 0}), watches_.upper_bound({gone, ~std::uint64_t{0}}));
  peers_.erase(gone);
}

// ---- who may take a request -----------------------------------------------------------------------------

bool service_registry::can_take(const instance& one) const {
  return one.healthy && !one.draining && one.in_flight < one.window && one.bytes < limits_.instance_bytes_max;
}

// Before anything changes that its place depends on.
void service_registry::unlist(instance& one) {
  if (auto node = one.of->free.extract(&one)) one.unlisted = std::move(node);
}

void service_registry::list(instance& one) {
  if (!can_take(one)) return;
  if (one.unlisted) {
    one.of->free.insert(std::move(one.unlisted));
  } else {
    one.of->free.insert(&one);
  }
}

void service_registry::count_takers(service& of) {
  of.takers = static_cast<std::size_t>(std::ranges::count_if(
      of.instances, [](const auto& one) { return one.second->healthy && !one.second->draining; }));
}

// ---- health ---------------------------------------------------------------------------------------------

void service_registry::heartbeat(steady_time now, peer_id from, std::uint64_t responder) {
  if (instance* const one = find(from, responder)) heard_from(now, *one);
}

void service_registry::heard_from(steady_time now, instance& from) {
  from.last_seen = now;
  if (from.healthy) return;
  unlist(from);
  from.healthy = true;
  from.wake = now + limits_.heartbeats_until_unhealthy * from.heartbeat;
  wake_at(from.wake, true, from.key);
  count_takers(*from.of);
  list(from);
  tell(now, from, from.state(), "");
  pump(now, *from.of);
}

// Its timer is not moved with every sign of life; when it fires, this looks how long the last one is ago.
void service_registry::check_health(steady_time now, instance& one) {
  const int allowed = one.healthy ? limits_.heartbeats_until_unhealthy : limits_.heartbeats_until_removed;
  const steady_time due = one.last_seen + allowed * one.heartbeat;
  if (due > now) {
    one.wake = due;
    return wake_at(due, true, one.key);
  }
  if (!one.healthy) {
    effects_.emplace_back(effect::responder_ended{
        one.peer, one.responder, errc::responder_lost,
        "instance '" + *one.id + "' of service '" + one.of->subject + "' was removed: it missed " +
            std::to_string(limits_.heartbeats_until_removed) + " heartbeats"});
    return remove(now, one, "missed heartbeats");
  }
  unlist(one);
  one.healthy = false;
  one.wake = one.last_seen + limits_.heartbeats_until_removed * one.heartbeat;
  wake_at(one.wake, true, one.key);
  count_takers(*one.of);
  tell(now, one, one.state(), "");
  if (one.of->takers == 0) refuse_waiting(*one.of);
}

// ---- time -----------------------------------------------------------------------------------------------

void service_registry::wake_at(steady_time at, bool of_instance, std::uint64_t id) {
  const std::size_t live = calls_.size() + instances_.size();
  if (timers_.size() > 64 + 2 * live) {
    std::erase_if(timers_, [this](const timer& one) { return is_stale(one); });
    std::ranges::make_heap(timers_, std::greater<>());
  }
  timers_.push_back({at, of_instance, id});
  std::ranges::push_heap(timers_, std::greater<>());
}

bool service_registry::is_stale(const timer& one) const {
  if (one.of_instance) {
    const auto found = instances_.find(one.id);
    return found == instances_.end() || found->second->wake != one.at;
  }
  const auto found = calls_.find(one.id);
  return found == calls_.end() || found->second.wake != one.at;
}

void service_registry::advance(steady_time now) {
  while (!timers_.empty() && timers_.front().at <= now) {
    std::ranges::pop_heap(timers_, std::greater<>());
    const timer due = timers_.back();
    timers_.pop_back();
    if (is_stale(due)) continue;
    if (due.of_instance) {
      check_health(now, *instances_.at(due.id));
    } else {
      expire(now, calls_.at(due.id));
    }
  }
}

std::optional<steady_time> service_registry::next_wake() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.front().at;
}

}  // namespace skald::delivery
