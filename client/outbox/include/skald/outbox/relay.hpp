// The relay: publishes what committed transactions have put into the outbox.
//
//   skald::outbox::sqlite_store store("customers.db");     // a connection of its own
//   skald::outbox::relay relay(store, skald::outbox::to_broker(broker));
//   std::jthread thread([&] { relay.run(); });
//   ...
//   relay.stop();
//
// Once and in order. The relay reads rows, publishes them with their message ids, and removes them. Whatever
// happens in between, a killed process or a lost connection, it begins with the same rows again, and the
// broker answers those that it has as duplicates; that holds for as long as the topic keeps its records. Rows
// are published in the order of unsent(), one unit of work after the other. Two relays of one outbox do no
// harm, for the same reason, and gain nothing.
//
// A row that the broker refuses for good (no such topic, too large) is parked with the reason, and so are
// held back the later rows of its topic and key; all others go on. store::parked() shows, retry_parked()
// frees them.
//
// Threading: run() and run_once() by one thread, which blocks; everything else by any. The store is used by
// that thread only.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>

#include <skald/outbox/store.hpp>

namespace skald {
class blocking_client;
}

namespace skald::outbox {

using std::chrono::milliseconds;

// Of the rows that were passed, the one at `index` can never be published; none of them was.
class row_refused : public std::runtime_error {
 public:
  row_refused(std::size_t index, const std::string& reason) : std::runtime_error(reason), index_(index) {}
  std::size_t index() const noexcept { return index_; }

 private:
  std::size_t index_;
};

// The whole was refused for good, and no single row is to blame; it may do in smaller parts.
class batch_refused : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Publishes all rows durably and in order, or throws: row_refused or batch_refused when none was published;
// anything else when it is unknown, and may be tried again. Gives how many of them were known already.
using publisher = std::function<std::uint64_t(std::span<const row>)>;

// Publishes by units of work, one at a time. The client outlives it.
publisher to_broker(blocking_client& broker);

struct relay_options {
  // The most that one unit of work carries.
  std::uint32_t batch_rows = 4'000;
  std::uint64_t batch_bytes = 4 << 20;
  // How often it looks for rows when there were none.
  milliseconds poll_interval{50};
  // After a failure: doubles from the first to the second.
  milliseconds retry_delay_min{50};
  milliseconds retry_delay_max{5'000};
  // How long the inbox remembers a message; longer than any topic or queue may deliver it again.
  std::chrono::seconds inbox_kept{7 * 24 * 3'600};
};

struct relay_statistics {
  std::uint64_t published = 0;   // rows that the broker has acknowledged, duplicates included
  std::uint64_t duplicates = 0;  // published before, by a relay that did not live to remove them
  std::uint64_t parked = 0;
  std::uint64_t batches = 0;
  std::uint64_t failures = 0;  // passes that ended early
  std::string last_failure;
};

class relay {
 public:
  // The store outlives the relay.
  relay(store& from, publisher to, relay_options options = {});

  // Publishes until nothing is left that can be. Gives how many rows it were. Throws what the store or the
  // publisher throws.
  std::uint64_t run_once();
  // Goes on until stop(); outlives failures of database and broker, and cleans the inbox.
  void run();
  // Ends run() after the unit of work that is on its way, or at once.
  void stop();
  // There are rows: do not wait for the next poll.
  void wake();

  relay_statistics statistics() const;

 private:
  // False: nothing to do.
  bool publish_batch();
  void publish_rows(std::span<const row> rows);
  void note_failure(const std::string& why);
  // Until then, or something is to be done.
  void wait(milliseconds time);
  bool stopping() const;

  store& store_;
  publisher publish_;
  relay_options options_;
  std::uint32_t batch_rows_ = 1;  // fewer while a batch was refused as a whole

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  bool woken_ = false;
  relay_statistics statistics_;
};

}  // namespace skald::outbox
