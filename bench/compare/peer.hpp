// A broker as the comparison sees it: what it can be asked to do, in terms that every broker has. One driver
// for each implements this with the client library that its own documentation recommends for C or C++, and
// nothing else knows which broker it is talking to.
//
// Threading: each object is used by one thread at a time, and objects of a peer by different ones. Errors:
// std::exception with a sentence for the report.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skald::bench::compare {

using milliseconds = std::chrono::milliseconds;

// ---- what is done with a broker --------------------------------------------------------------------------

enum class workload : std::uint8_t { publish, consume, latency, request, fanout, queue, streams };
std::string_view to_string(workload what) noexcept;
std::vector<workload> all_workloads();

// What a peer was started for.
struct purpose {
  workload what = workload::publish;
  // How many subscribers (fanout), workers (queue), streams (streams), requests in flight (request).
  std::size_t count = 1;

  std::size_t streams() const { return what == workload::streams ? count : 1; }
};

// How much may be unacknowledged.
struct in_flight {
  std::size_t records = 1;
  std::size_t bytes = 0;
};

// Over several streams it spreads its records in turn.
class writer {
 public:
  virtual ~writer() = default;
  // Returns when no more than may be in flight is unacknowledged; the bytes may be reused then.
  virtual void write(std::string_view record) = 0;
  // Sends what was written and takes the acknowledgements that are there, without waiting. For clients that
  // do neither by themselves.
  virtual void poll() {}
  // Returns when all are acknowledged.
  virtual void finish() = 0;
};

// Sees each record that came, in the order of the broker. Sinks do not throw: libraries in C call them.
using sink = std::function<void(std::string_view record)>;

class reader {
 public:
  virtual ~reader() = default;
  // Gives what has come, at least one record, to the sink; false when none came in this time. Settles it,
  // where the broker wants that.
  virtual bool read(const sink& into, milliseconds patience) = 0;
};

// How many records a worker may hold unacknowledged; of each broker the same.
inline constexpr std::size_t jobs_ahead_max = 2000;

// One of those who share a queue.
class worker : public reader {
 public:
  // Returns when the broker has all acknowledgements of what was read.
  virtual void finish() = 0;
};

// Sees each record that came to a subscriber, in the order of the broker. For one subscriber it is called by
// one thread at a time.
using delivery_sink = std::function<void(std::size_t subscriber, std::string_view record)>;

// Subscribers, each with a connection of its own, who wait for what is published from now on.
class audience {
 public:
  virtual ~audience() = default;
  // Lets records come: returns when there were some, or after this time. A client library with threads of its
  // own calls the sink from those, also at other times.
  virtual void attend(milliseconds patience) = 0;
};

class caller {
 public:
  virtual ~caller() = default;
  // Sends a request; does not wait for the reply.
  virtual void ask(std::string_view request) = 0;
  // Gives the replies that have come, at least one, to the sink; false when none came in this time.
  virtual bool receive(const sink& replies, milliseconds patience) = 0;
};

class responder {
 public:
  virtual ~responder() = default;
  // Replies to the requests that come with what they carry: returns when there were some, or after this time.
  virtual void serve(milliseconds patience) = 0;
};

// ---- brokers ---------------------------------------------------------------------------------------------

// A running broker with nothing in it. Destroying it stops the server and removes what it stored.
class peer {
 public:
  virtual ~peer() = default;
  // Once, before all else: makes what the purpose needs. Drivers that only publish and consume need nothing.
  virtual void prepare(const purpose&) {}
  virtual std::unique_ptr<writer> open_writer(const in_flight& most) = 0;
  // Reads everything from the beginning; once, after the writer has finished.
  virtual std::unique_ptr<reader> open_reader() = 0;

  // What follows is called only for workloads that the candidate can do; unless overridden it throws.
  virtual std::unique_ptr<audience> open_audience(std::size_t subscribers, delivery_sink into);
  virtual std::unique_ptr<caller> open_caller();
  virtual std::unique_ptr<responder> open_responder();
  virtual std::unique_ptr<worker> open_worker(std::size_t which);
  // How many records it says that there are in all streams, which may lag behind.
  virtual std::uint64_t count_stored();
};

// When a broker acknowledges a record.
enum class durability : std::uint8_t {
  nothing,     // never: it may be lost on its way
  memory,      // before anything was written
  page_cache,  // when it was written, and the machine may lose it
  fsync        // when it is on the disk
};
std::string_view to_string(durability what) noexcept;

// What a candidate has no part in, and why.
using inabilities = std::map<workload, std::string>;
inabilities all_but(const std::vector<workload>& these, const std::string& why);

// A broker with a setting.
struct candidate {
  std::string broker;   // "nats"
  std::string setting;  // "default", "fsync"
  durability acknowledges = durability::fsync;
  std::string settings_file = {};  // of the server, in settings/
  // Why it cannot be measured here, with what to install; nothing when it can.
  std::function<std::optional<std::string>()> missing = {};
  // Starts the server on a free port of the loopback interface, with its data in `directory`.
  std::function<std::unique_ptr<peer>(const std::filesystem::path& directory)> start = {};
  inabilities cannot = all_but({workload::publish, workload::consume}, "its driver has no such part");

  std::string name() const { return broker + "/" + setting; }
};

// All that were built in, skald first. Whose client library was not found when this was compiled is missing,
// too.
std::vector<candidate> all_candidates();

// Of each driver; see its file.
std::vector<candidate> skald_candidates();
std::vector<candidate> nats_candidates();
std::vector<candidate> redis_candidates();
std::vector<candidate> rabbitmq_candidates();
std::vector<candidate> mosquitto_candidates();
std::vector<candidate> kafka_candidates();

}  // namespace skald::bench::compare
