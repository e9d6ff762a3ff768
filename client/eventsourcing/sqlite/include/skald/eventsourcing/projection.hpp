// A read model in SQLite that follows a topic, or several, each record exactly once.
//
//   class order_history final : public skald::eventsourcing::read_model {
//    public:
//     explicit order_history(sqlite3* db);                     // makes its tables, prepares its statements
//     void apply(const skald::record& event) override;         // changes rows
//   };
//
//   skald::eventsourcing::projection history(broker, "/var/lib/shop", {
//       .name = "history", .topic = "order-events",
//       .make = [](sqlite3* db) { return std::make_unique<order_history>(db); }});
//   std::jthread thread([&] { history.run(); });
//   sqlite3_open(history.read_model_file().c_str(), &reader);  // from any thread or process
//
// The checkpoint, the offset that each partition goes on at, is a row of the same database, changed in the
// same transaction as the rows of the model: whatever is killed when, a record is in the model or it is read
// again.
//
// A rebuild begins at zero in a file of its own, while the live one goes on serving, and takes over when it
// has caught up: read_model_file() changes then. Readers reopen now and then, or compare the name; the old
// file stays until the next rebuild or start.
//
// Threading: run() and run_once() by one thread, which blocks; rebuild() by another; everything else by any.
// `make` and the models it makes are used by the thread of run() and that of rebuild(), each its own model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <skald/blocking_client.hpp>

struct sqlite3;

namespace skald::eventsourcing {

class read_model {
 public:
  read_model() = default;
  read_model(const read_model&) = delete;
  read_model& operator=(const read_model&) = delete;
  virtual ~read_model() = default;
  // Within a transaction that is not the model's to end. What it throws rolls that back; the record comes
  // again.
  virtual void apply(const record& event) = 0;
};

struct projection_definition {
  std::string name;  // of its files
  // Of which all partitions are read; or a pattern, `shop.*`, whose topics join by themselves. Records of one
  // partition come in order; what one topic says may come before what another has said earlier.
  std::string topic;
  // Called once for each connection, within a transaction; the connection outlives the model.
  std::function<std::unique_ptr<read_model>(sqlite3*)> make;
};

struct projection_statistics {
  std::uint64_t applied = 0;   // by this object
  std::uint64_t failures = 0;  // of run(), which goes on
  std::uint64_t rebuilds = 0;
  std::string last_failure;
};

namespace detail {
class projector;
}

class projection {
 public:
  // Opens the current file in the directory, or makes the first. The client outlives the projection. Throws
  // skald::outbox::database_error.
  projection(blocking_client& broker, std::filesystem::path directory, projection_definition definition);
  ~projection();

  // Applies what there is, waiting at most so long for the first of it. Gives how many records. Throws
  // skald::error, also when retention has removed records that were not yet applied (offset_out_of_range).
  std::uint64_t run_once(milliseconds patience);
  // Goes on until stop(), and after failures, which it counts.
  void run();
  void stop();

  // From zero beside the live one; returns when the new file has taken over, or stop() was called. Throws
  // what run_once() throws, and leaves the live one as it is then.
  void rebuild();

  // How many records the topic has that are not applied yet.
  std::uint64_t lag() const;
  std::filesystem::path read_model_file() const;
  projection_statistics statistics() const;

 private:
  std::filesystem::path file_of(std::uint64_t generation) const;
  std::shared_ptr<detail::projector> current() const;
  void take_over(std::shared_ptr<detail::projector> next, std::uint64_t generation);
  void remove_other_files(std::uint64_t but) const;
  bool stopping() const;

  blocking_client& broker_;
  std::filesystem::path directory_;
  projection_definition definition_;

  mutable std::mutex mutex_;  // guards what follows; the projector itself is the running thread's
  std::shared_ptr<detail::projector> current_;
  std::uint64_t generation_ = 1;
  bool stopping_ = false;
  projection_statistics statistics_;
};

}  // namespace skald::eventsourcing
