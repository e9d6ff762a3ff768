// A broker as the comparison sees it: somewhere to write records to, and to read them from. One driver for
// each implements this with the client library that its own documentation recommends for C or C++, and
// nothing else knows which broker it is talking to.
//
// Threading: everything here is used by one thread. Errors: std::exception with a sentence for the report.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skald::bench::compare {

using milliseconds = std::chrono::milliseconds;

// How much may be unacknowledged.
struct in_flight {
  std::size_t records = 1;
  std::size_t bytes = 0;
};

class writer {
 public:
  virtual ~writer() = default;
  // Returns when no more than may be in flight is unacknowledged; the bytes may be reused then.
  virtual void write(std::string_view record) = 0;
  // Returns when all are acknowledged.
  virtual void finish() = 0;
};

// Sees each record that came, in the order of the broker.
using sink = std::function<void(std::string_view record)>;

class reader {
 public:
  virtual ~reader() = default;
  // Gives what has come, at least one record, to the sink; false when none came in this time. Settles it,
  // where the broker wants that.
  virtual bool read(const sink& into, milliseconds patience) = 0;
};

// A running broker with an empty stream of records. Destroying it stops the server and removes what it
// stored.
class peer {
 public:
  virtual ~peer() = default;
  virtual std::unique_ptr<writer> open_writer(const in_flight& most) = 0;
  // Reads everything from the beginning; once, after the writer has finished.
  virtual std::unique_ptr<reader> open_reader() = 0;
};

// When a broker acknowledges a record.
enum class durability : std::uint8_t {
  memory,      // before anything was written
  page_cache,  // when it was written, and the machine may lose it
  fsync        // when it is on the disk
};
std::string_view to_string(durability what) noexcept;

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
