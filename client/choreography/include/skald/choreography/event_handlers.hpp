// What the two kinds of processors share: which handler is for which event, by the topic of the aggregate and
// the type of the event; settings and metrics.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <skald/options.hpp>

namespace skald::choreography {

// Of the queues and topics that a processor makes where there are none.
struct processor_settings {
  // Of topics of events that nobody has made yet, which have an index of keys.
  std::uint32_t partitions = 1;
  // Until a process that says nothing loses an event to another.
  std::optional<milliseconds> lease = {};  // default 30 s
  // A failed event is tried again after a time that doubles from the first to the second, and its key waits.
  std::optional<milliseconds> backoff_min = {};  // default 1 s
  std::optional<milliseconds> backoff_max = {};  // default 1 min
  // After so many attempts it is a dead letter, and its key goes on without it. Absent: never.
  std::optional<std::uint32_t> max_attempts = {};
};

struct processor_metrics {
  std::uint64_t handled = 0;
  std::uint64_t duplicates = 0;  // events that the inbox knew
  std::uint64_t ignored = 0;     // of types without a handler
  std::uint64_t failures = 0;    // attempts that failed
  std::uint64_t conflicts = 0;   // in the broker: an expected version was taken; the handler was called again
  std::uint64_t overtaken = 0;   // in the broker: events that were another's by then
  std::uint64_t outages = 0;     // in a database: attempts when it could not be reached
};

template <class Handler>
class event_handlers {
 public:
  // Replaces one that is there.
  void add(std::string_view topic, std::string_view type, Handler work) {
    by_topic_[std::string(topic)].insert_or_assign(std::string(type), std::move(work));
  }
  // Null: such events are nothing to this processor.
  const Handler* find(std::string_view topic, std::string_view type) const {
    const auto types = by_topic_.find(topic);
    if (types == by_topic_.end()) return nullptr;
    const auto found = types->second.find(type);
    return found == types->second.end() ? nullptr : &found->second;
  }
  std::vector<std::string> topics() const {
    std::vector<std::string> names;
    names.reserve(by_topic_.size());
    for (const auto& [topic, types] : by_topic_) names.push_back(topic);
    return names;
  }

 private:
  std::map<std::string, std::map<std::string, Handler, std::less<>>, std::less<>> by_topic_;
};

}  // namespace skald::choreography
