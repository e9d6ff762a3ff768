// What a service_registry keeps; for its source files only.
#pragma once

#include "broker/delivery/service_registry.hpp"

namespace skald::delivery {

// A RequestAll under way.
struct service_registry::gathering {
  asker from;
  std::uint32_t replies_max = 0;
  std::uint32_t asked = 0;
  std::uint32_t replied = 0;
  std::uint32_t outstanding = 0;
  bool asking = true;  // some instances have not been asked yet
  bool over = false;
  std::vector<std::uint64_t> calls;
};

// One request to one instance: it waits in its service's list, then it is in its instance's.
struct service_registry::call {
  using hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

  bool abandoned() const { return from.peer == peer_id(); }

  hook place;
  std::uint64_t id = 0;
  asker from;  // nobody once abandoned
  service* of = nullptr;
  instance* at = nullptr;  // null while it waits
  std::shared_ptr<gathering> into;
  steady_time arrived;
  steady_time delivered;
  steady_time deadline;
  steady_time wake;  // the deadline, later the end of waiting for a late reply
  std::size_t bytes = 0;
  bool ping = false;
  body waiting;  // what is to be delivered, while it waits
};

struct service_registry::instance {
  using call_list =
      boost::intrusive::list<call, boost::intrusive::member_hook<call, call::hook, &call::place>,
                             boost::intrusive::constant_time_size<false>>;

  std::uint64_t key = 0;
  service* of = nullptr;
  peer_id peer;
  std::uint64_t responder = 0;
  shared_text id;
  std::string version;
  properties metadata;
  std::uint32_t window = 0;
  milliseconds heartbeat{0};

  bool healthy = true;
  bool draining = false;
  std::uint64_t drain_request = 0;
  steady_time joined;
  steady_time last_seen;
  steady_time wake;

  call_list calls;
  std::uint32_t in_flight = 0;
  std::uint32_t pings = 0;  // of `calls`; not in flight
  std::size_t bytes = 0;
  std::uint64_t last_use = 0;
  std::set<instance*, by_load>::node_type unlisted;  // its place in the order of load, while it has none
  service_statistics counted;
  latency_histogram latency;

  instance_state state() const {
    if (draining) return instance_state::draining;
    return healthy ? instance_state::healthy : instance_state::unhealthy;
  }
};

struct service_registry::service {
  std::string subject;
  std::map<std::string_view, instance*> instances;  // by id, which they own
  std::set<instance*, by_load> free;                // those that may take a request, the best first
  std::size_t takers = 0;                           // healthy and not draining, free or not
  instance::call_list waiting;
  std::uint32_t waiting_count = 0;
  service_statistics counted;
  latency_histogram latency;
};

struct service_registry::peer {
  struct open_request {
    std::uint64_t call = 0;
    std::shared_ptr<gathering> into;  // instead
  };
  std::unordered_map<std::uint64_t, open_request> requests;
  std::map<std::uint64_t, instance*> responders;
  std::size_t watches = 0;
};

}  // namespace skald::delivery
