// Runs sagas on a broker.
//
//   sagas::registry known;
//   known.add(create_order_saga);
//   sagas::orchestrator orders(broker, "orders", known);
//   co_await orders.create();                                        // its topics and queue; once
//   co_await orders.start("create-order", "order-42", create_order{.total = 500});
//   co_await orders.run();                                           // until close()
//
// Every transition is one atomic commit: the input is done, the new state is stored with the version
// expected, commands are appended, timers set and cancelled. An orchestrator may therefore die at any time,
// and any number of them may run: whoever has an input goes on, and of two that meet on an instance one is
// refused and looks again.
//
// A saga that is not final waits for a timer or an input, or it is parked.
//
// Threading, errors and cancellation: as the client's, which has to outlive this. Functions of definitions
// run on the client's executor; while a local step computes, nothing else does.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <skald/client.hpp>
#include <skald/saga/codec.hpp>
#include <skald/saga/definition.hpp>
#include <skald/saga/instance.hpp>
#include <skald/tracing.hpp>

namespace skald::sagas {

struct saga_topics {
  std::uint32_t partitions = 1;  // of all topics of an orchestrator and its participants; never to be changed
  std::optional<milliseconds> retention = {};  // of all of them; absent: for ever
  // Of the queues: until somebody who says nothing loses a record, and how often one is tried before it goes
  // to the dead letters. By default commands are tried 10 times, and inputs of an orchestrator for as long as
  // it takes: a saga without the input that it waits for would wait for ever.
  std::optional<milliseconds> lease = {};
  std::optional<std::uint32_t> max_attempts = {};
  std::optional<milliseconds> backoff_min = {};
};

struct orchestrator_options {
  std::uint32_t concurrency = 256;        // instances that move at a time
  std::size_t cached_instances = 10'000;  // remembered, so that they are not read anew for each transition
  // An input for a version that is not registered here is left to others so often; then the saga is parked.
  std::uint32_t unknown_version_attempts = 5;
};

struct orchestrator_metrics {
  std::uint64_t transitions = 0;
  std::uint64_t duplicates = 0;  // inputs that changed nothing
  std::uint64_t conflicts = 0;   // transitions that another had made meanwhile
  std::uint64_t failures = 0;    // inputs given back, to be tried again
  std::uint64_t parked = 0;      // sagas that came to be parked
  std::uint64_t ended = 0;       // sagas that became final
};

// Calls `work`, once, on whichever thread, and completes when what that has done is durable; throws when it
// is not. What is published meanwhile has that cause. It is called for many sagas at a time; its arguments
// live until it completes.
using local_runner = std::function<boost::asio::awaitable<void>(const tracing::lineage& cause,
                                                                const std::function<void()>& work)>;

class orchestrator {
 public:
  template <class Result>
  using awaitable = boost::asio::awaitable<Result>;

  // Does no I/O. Throws skald::error (invalid_settings) unless the name has 1 to 70 bytes.
  orchestrator(client& broker, std::string_view name, registry definitions,
               orchestrator_options options = {});
  ~orchestrator();
  orchestrator(orchestrator&&) noexcept;
  orchestrator& operator=(orchestrator&&) noexcept;

  // Makes the topics and queues of the orchestrator, and of the participants that its definitions call,
  // unless they are there, and stores the definitions for tools to draw.
  awaitable<void> create(saga_topics settings = {});

  // Starts a saga, unless one of that id has been started. The id has 1 to 80 bytes, and no '/'. False: it
  // has. Without a correlation id it takes that of the unit of work, or else its own id.
  template <encodable Data>
  awaitable<bool> start(std::string_view saga, std::string_view id, const Data& data,
                        std::string_view correlation = {}) {
    const std::string bytes = codec<Data>::to_bytes(data);
    return start_bytes(saga, id, bytes, correlation);
  }
  awaitable<bool> start_bytes(std::string_view saga, std::string_view id, std::string_view data,
                              std::string_view correlation = {});
  // The same as a part of a unit of work.
  template <encodable Data>
  void start(commit& within, std::string_view saga, std::string_view id, const Data& data,
             std::string_view correlation = {}) const {
    const std::string bytes = codec<Data>::to_bytes(data);
    add_start(within, saga, id, bytes, correlation);
  }

  // The instance as it is; nullopt: there is none (yet).
  awaitable<std::optional<instance>> find(std::string id);

  // Moves sagas on, until close(). One at a time. Throws what the broker says about the queue, for good.
  awaitable<void> run();
  // run() ends when what it has begun has ended. Idempotent.
  void close();

  // Local steps are run by this, before the transition is stored: in a database, say, in one transaction with
  // those of other sagas (saga/outbox.hpp). By default they just run. Before run().
  void run_locals_by(local_runner runner);

  orchestrator_metrics metrics() const;
  // Called after each transition that has been stored, with what has happened; it must not throw.
  void on_transition(std::function<void(const instance&, std::string_view happened)> observer);

 private:
  struct core;
  void add_start(commit& within, std::string_view saga, std::string_view id, std::string_view data,
                 std::string_view correlation) const;
  std::shared_ptr<core> core_;
};

}  // namespace skald::sagas
