// What a broker should hold after a random history of everything it can do, kept the simplest way, beside the
// broker itself.
//
// An action does something to the broker and then the same to the model, or looks at the broker and compares.
// Often the broker is killed and started again while the action runs. The client repeats most calls until
// they are answered, so that their outcome is known; where it cannot be, the model keeps all that may be.
//
//   log    two partitions; records of some colour, some with message ids; read by the group "readers"
//   keyed  three partitions, with an index of keys
//   work   one partition; shared by the queue "workers", whose dead letters are in "work.workers.dead"
//   latest two partitions, compacted all the time; tombstones go after a second
//   due    one partition; records that were delayed, and the records of timers
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <skald/skald.hpp>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

struct stored {
  std::optional<std::string> key;
  std::string value;
  std::string colour = {};  // in a header; none if empty
  friend bool operator==(const stored&, const stored&) = default;
};

// Of a record that was given a time.
struct delayed {
  timestamp due;           // the latest there is, when only the broker knows
  timestamp acknowledged;  // when it was known to wait
};

// A position of a partition that has none.
inline constexpr std::uint64_t none_committed = ~std::uint64_t{0};

struct model {
  using partition = std::pair<std::string, std::uint32_t>;  // topic, number
  std::map<partition, std::vector<stored>> records;         // by offset
  std::map<std::string, std::pair<std::uint32_t, std::uint64_t>>
      ids;  // message id -> partition, offset in log
  struct history {
    std::uint32_t partition = 0;
    std::vector<std::string> values;
  };
  std::map<std::string, history> keys;  // of keyed

  struct revision {
    std::string key;
    std::optional<std::string> value;  // absent: a tombstone
  };
  std::map<std::uint32_t, std::map<std::uint64_t, revision>> latest;  // by partition, offset
  struct newest_revision {
    partition_id of;
    offset at;
    std::optional<std::string> value;
  };
  std::map<std::string, newest_revision> newest;  // of latest, by key

  std::map<std::string, timestamp> timers;  // by name; these do not come due while the test runs
  std::map<std::string, delayed> delays;    // by value; these do

  // The values in the queue, each in one of these.
  std::set<std::string> open;
  std::set<std::string> acknowledged;
  std::set<std::string> rejected;
  std::set<std::string> uncertain;  // settled one way or the other, or not at all

  // Of the group, by partition of log: it is one of these.
  std::map<std::uint32_t, std::set<std::uint64_t>> positions;
  std::map<std::uint32_t, std::uint64_t> given;  // to the present member, up to where
};

timestamp time_now();

class responders;

class world {
 public:
  explicit world(std::uint64_t seed);
  ~world();

  // One random action.
  void step();
  // Waits until what is under way is over, stops the broker, and compares everything.
  void finish();

 private:
  using action = void (world::*)();

  // Does it, while the broker is killed and started again, now and then.
  void maybe_killed(action what);
  void kill_and_start();
  void stop_and_start();

  // Numbers below `n`.
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  // Never the same twice.
  std::string new_value() { return "v" + std::to_string(++values_); }
  std::string some_key() { return "k" + std::to_string(below(20)); }
  std::string some_colour() { return one_in(3) ? "red" : "green"; }
  timestamp far_from_now() { return time_now() + std::chrono::hours(1) + milliseconds(below(3'600'000)); }
  std::string some_timer() { return "owner" + std::to_string(below(3)) + "/t" + std::to_string(below(10)); }

  void appended(const std::string& topic, const committed::append& where, stored what);

  // log_actions.cpp
  void publish();
  void publish_with_id();
  void read_partition();
  void read_filtered();
  void read_as_group();
  void commit_with_output(const records& done);
  void check_positions();
  void compare(const model::partition& which);

  // commit_actions.cpp
  void append_version();
  void commit_several();
  void read_key();
  void list_keys();

  // compacted_actions.cpp
  void put_latest();
  void read_latest();
  void list_latest();
  void scan_latest();
  void finish_latest();

  // timer_actions.cpp
  void set_timer();
  void move_timer();
  void cancel_timer();
  void list_timers();
  void delay();
  void cancel_in_time();
  void compare_delays();

  // queue_actions.cpp
  void give_work();
  void take_work();
  void work_off();
  // Settles it somehow, or not; where it then belongs.
  std::set<std::string>* settle(const delivery& what);
  void look_at_queue();
  void compare_dead();
  void finish_queue();

  // service_actions.cpp
  void request();

  std::mt19937_64 random_;
  std::uint64_t values_ = 0;
  model model_;
  scratch_directory directory_;
  // A child dies with the thread that has started it.
  boost::asio::thread_pool killer_{1};
  skaldd_process broker_;
  blocking_client client_;
  std::optional<blocking_queue> queue_;
  std::optional<blocking_subscription> member_;
  std::unique_ptr<responders> responders_;
};

// Longer than anything should take, also under a sanitizer on a busy machine.

}  // namespace skald::tests
