// What others are told about services: pages of them, and their changes.
#include "broker/delivery/service_registry_impl.hpp"

namespace skald::delivery {

service_statistics service_registry::statistics_of(const service_statistics& counted,
                                                   const latency_histogram& latency) {
  service_statistics is = counted;
  is.p50 = latency.quantile(0.5);
  is.p90 = latency.quantile(0.9);
  is.p99 = latency.quantile(0.99);
  is.max = latency.max();
  return is;
}

instance_snapshot service_registry::snapshot_of(steady_time now, const instance& of) {
  instance_snapshot is;
  is.id = *of.id;
  is.version = of.version;
  is.metadata = of.metadata;
  is.state = of.state();
  is.age = std::chrono::duration_cast<milliseconds>(now - of.joined);
  is.window = of.window;
  is.statistics = statistics_of(of.counted, of.latency);
  is.statistics.in_flight = of.in_flight;
  return is;
}

service_page service_registry::list(steady_time now, const page_options& options) const {
  service_page page;
  std::size_t listed = 0;
  auto at = services_.lower_bound(options.subject.empty() ? options.after_subject : options.subject);
  for (; at != services_.end(); ++at) {
    const service& of = *at->second;
    if (!options.subject.empty() && of.subject != options.subject) break;
    auto next = of.subject == options.after_subject ? of.instances.upper_bound(options.after_instance)
                                                    : of.instances.begin();
    if (next == of.instances.end()) continue;
    if (listed >= options.limit) break;
    service_snapshot is{of.subject, statistics_of(of.counted, of.latency), {}};
    is.statistics.waiting = of.waiting_count;
    for (const auto& [id, one] : of.instances) is.statistics.in_flight += one->in_flight;
    for (; next != of.instances.end() && listed < options.limit; ++next, ++listed) {
      is.instances.push_back(snapshot_of(now, *next->second));
    }
    page.services.push_back(std::move(is));
    if (next != of.instances.end()) {
      page.more = true;
      return page;
    }
  }
  page.more = at != services_.end() && options.subject.empty();
  return page;
}

void service_registry::tell(steady_time now, const instance& about, instance_state state,
                            const std::string& reason) {
  if (watches_.empty()) return;
  std::shared_ptr<service_change> what;
  for (const auto& [key, subject] : watches_) {
    if (!subject.empty() && subject != about.of->subject) continue;
    if (!what) {
      what = std::make_shared<service_change>(
          service_change{about.of->subject, snapshot_of(now, about), false, reason});
      what->instance.state = state;
    }
    effects_.emplace_back(effect::changed{key.first, key.second, what});
  }
}

void service_registry::watch(steady_time now, asker from, std::uint64_t number, const std::string& subject) {
  peer& watcher = peers_[from.peer];
  if (watcher.watches >= limits_.watches_per_peer_max) {
    return refuse(from, errc::overloaded,
                  "a connection may have " + std::to_string(limits_.watches_per_peer_max) +
                      " watches; end one or open another connection");
  }
  const auto [added, is_new] = watches_.try_emplace({from.peer, number}, subject);
  if (!is_new) {
    return refuse(from, errc::invalid_request,
                  "watch " + std::to_string(number) + " exists; choose another number");
  }
  ++watcher.watches;
  effects_.emplace_back(effect::done{from.peer, from.request});
  for (const auto& [name, of] : services_) {
    if (!added->second.empty() && added->second != name) continue;
    for (const auto& [id, one] : of->instances) {
      auto what = std::make_shared<service_change>(service_change{name, snapshot_of(now, *one), true, ""});
      effects_.emplace_back(effect::changed{from.peer, number, std::move(what)});
    }
  }
}

void service_registry::unwatch(asker from, std::uint64_t number) {
  if (watches_.erase({from.peer, number}) == 0) {
    return refuse(from, errc::invalid_request, "this connection has no watch " + std::to_string(number));
  }
  --peers_[from.peer].watches;
  effects_.emplace_back(effect::done{from.peer, from.request});
}

}  // namespace skald::delivery
