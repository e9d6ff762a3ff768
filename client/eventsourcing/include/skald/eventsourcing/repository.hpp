// Aggregates whose state is what their events amount to.
//
//   struct account {
//     int balance = 0;
//     void apply(const recorded_event& e) { balance += std::stoi(std::string(e.data)); }
//   };
//
//   // skald topic create account-events --index key
//   skald::eventsourcing::repository<account> accounts(broker, "account-events");
//   co_await accounts.update("ann", [&](const account& now) -> std::vector<event> {
//     if (now.balance < amount) throw insufficient_credit();
//     return {{"withdrawn", std::to_string(-amount)}};
//   });
//
// update() loads the aggregate, lets the caller decide which events follow, and appends them under the
// version that it has loaded. If somebody else was faster, it applies their events and asks again. All events
// of one decision are appended together, or none.
//
// Snapshots. An aggregate that also has `std::string save() const` and `static A restore(std::string_view)`
// is saved every so many events, in the same unit of work as these, if the repository has a topic for it;
// then loading reads the newest snapshot and only the events after it.
//
// Threading: as the client's; any number of operations may be under way. Lifetime: client and repository
// outlive them. Errors: skald::error, and whatever `decide` and `apply` throw, which changes nothing. After
// deadline_exceeded it is unknown whether an update took effect; load() tells, if the events say what they
// were for.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <skald/client.hpp>
#include <skald/eventsourcing/event_stream.hpp>

namespace skald::eventsourcing {

template <class A>
concept aggregate = std::default_initializable<A> && std::copyable<A> &&
                    requires(A state, const recorded_event& happened) { state.apply(happened); };

template <class A>
concept snapshotable = aggregate<A> && requires(const A& state, std::string_view saved) {
  { state.save() } -> std::convertible_to<std::string>;
  { A::restore(saved) } -> std::convertible_to<A>;
};

template <aggregate A>
struct versioned {
  A state = {};
  std::uint64_t version = 0;  // how many events it has had; 0: it does not exist
};

struct repository_options {
  // A topic with an index of keys and as many partitions; empty: no snapshots.
  std::string_view snapshot_topic = {};
  std::uint32_t snapshot_every = 100;  // events
  // How often update() asks again before it throws version_conflict.
  std::uint32_t attempts_max = 20;
};

struct repository_statistics {
  std::uint64_t loads = 0;
  std::uint64_t events_applied = 0;  // while loading
  std::uint64_t updates = 0;         // that appended events
  std::uint64_t conflicts = 0;       // decisions that were asked for again
  std::uint64_t snapshots = 0;       // written
};

template <aggregate A>
class repository {
 public:
  repository(client& broker, std::string topic, repository_options options = {})
      : stream_(broker, std::move(topic), std::string(options.snapshot_topic)),
        snapshot_every_(options.snapshot_every),
        attempts_max_(options.attempts_max) {}
  repository(const repository&) = delete;
  repository& operator=(const repository&) = delete;

  // The aggregate as it is now.
  boost::asio::awaitable<versioned<A>> load(std::string_view key) { return load_key(std::string(key)); }

  // `decide(const A&)` gives a std::vector<event>, empty for no change, and may be called several times.
  // Gives the aggregate after its events.
  template <class Decide>
  boost::asio::awaitable<versioned<A>> update(std::string_view key, Decide decide) {
    return update_key(std::string(key), std::move(decide), {});
  }
  // The events say that this has caused them. (It owns memory: GCC 12 wants it to have a name.)
  template <class Decide>
  boost::asio::awaitable<versioned<A>> update(std::string_view key, Decide decide,
                                              const tracing::lineage& cause) {
    return update_key(std::string(key), std::move(decide), cause);
  }

  const repository_statistics& statistics() const { return statistics_; }

 private:
  boost::asio::awaitable<versioned<A>> load_key(std::string key) {
    ++statistics_.loads;
    versioned<A> result;
    if constexpr (snapshotable<A>) {
      if (stream_.has_snapshots()) {
        const std::optional<snapshot> saved = co_await stream_.read_snapshot(key);
        if (saved) result = {.state = A::restore(saved->state), .version = saved->version};
      }
    }
    co_await catch_up(key, result);
    co_return result;
  }

  boost::asio::awaitable<void> catch_up(const std::string& key, versioned<A>& with) {
    const std::function<void(const recorded_event&)> apply = [this, &with](const recorded_event& happened) {
      with.state.apply(happened);
      ++statistics_.events_applied;
    };
    with.version = co_await stream_.read_after(key, with.version, apply);
  }

  template <class Decide>
  boost::asio::awaitable<versioned<A>> update_key(std::string key, Decide decide, tracing::lineage cause) {
    versioned<A> now = co_await load_key(key);
    for (std::uint32_t attempt = 1;; ++attempt) {
      const std::vector<event> events = decide(std::as_const(now.state));
      if (events.empty()) co_return now;
      versioned<A> after = now;
      for (const event& each : events)
        after.state.apply({.type = each.type, .data = each.data, .version = ++after.version});
      const std::optional<std::string> saved = snapshot_between(now.version, after);
      const bool appended = co_await stream_.append(key, now.version, events, saved, cause);
      if (appended) {
        ++statistics_.updates;
        if (saved) ++statistics_.snapshots;
        co_return after;
      }
      ++statistics_.conflicts;
      if (attempt >= attempts_max_)
        throw error(errc::version_conflict, "key '" + key + "' of topic '" + stream_.topic() + "' changed " +
                                                std::to_string(attempt) + " times while it was updated");
      co_await catch_up(key, now);
    }
  }

  // The state to save if the events led over a multiple of snapshot_every.
  std::optional<std::string> snapshot_between(std::uint64_t before, const versioned<A>& after) const {
    if constexpr (snapshotable<A>) {
      const bool due = snapshot_every_ > 0 && before / snapshot_every_ != after.version / snapshot_every_;
      if (stream_.has_snapshots() && due) return std::string(after.state.save());
    }
    return std::nullopt;
  }

  event_stream stream_;
  std::uint32_t snapshot_every_;
  std::uint32_t attempts_max_;
  repository_statistics statistics_;
};

}  // namespace skald::eventsourcing
