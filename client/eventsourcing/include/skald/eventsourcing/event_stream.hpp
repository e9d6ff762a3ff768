// Events of one key in a topic with an index of keys, and snapshots beside them: what a repository stands on.
//
// An event is a record: its type is the header `event-type`, its data the value, its version the place among
// the records of its key, from 1. A snapshot is a record of another topic, with the same key; its value is
// the version it was taken at, in decimal, a line feed, and the state.
//
// Threading and errors: as the client's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/client.hpp>
#include <skald/tracing.hpp>

namespace skald::eventsourcing {

inline constexpr std::string_view event_type_header = "event-type";

// To append.
struct event {
  std::string type;
  std::string data;
};

// As it is applied. The views live as long as the call that they are passed to.
struct recorded_event {
  std::string_view type;
  std::string_view data;
  std::uint64_t version = 0;
};

// An event as it comes out of a subscription or fetch; its version is not known there.
recorded_event event_of(const record& from);

struct snapshot {
  std::uint64_t version = 0;
  std::string state;
};

class event_stream {
 public:
  // Without a topic for them there are no snapshots. The client outlives the stream.
  event_stream(client& broker, std::string topic, std::string snapshot_topic = {});

  // Passes the events after a version to `apply`, in order, and gives the version that the key is at; 0: it
  // has no events. Throws skald::error (offset_out_of_range) when some of them are not kept any more.
  boost::asio::awaitable<std::uint64_t> read_after(std::string key, std::uint64_t version,
                                                   std::function<void(const recorded_event&)> apply);

  // The newest, if there is one.
  boost::asio::awaitable<std::optional<snapshot>> read_snapshot(std::string key);

  // Appends all events, and the state after them if it is given, or nothing: false when the key is not at
  // this version. They say what caused them. After deadline_exceeded it is unknown whether they are appended.
  boost::asio::awaitable<bool> append(std::string key, std::uint64_t version, std::vector<event> events,
                                      std::optional<std::string> state_after, tracing::lineage cause);

  bool has_snapshots() const { return !snapshot_topic_.empty(); }
  const std::string& topic() const { return topic_; }

 private:
  client* broker_;
  std::string topic_;
  std::string snapshot_topic_;
};

}  // namespace skald::eventsourcing
