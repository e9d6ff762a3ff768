// The broker that is measured, the topic that it is measured with, and what both of them cost.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <skald/blocking_client.hpp>

#include "tools/bench/embedded_broker.hpp"
#include "tools/bench/options.hpp"
#include "tools/bench/process_figures.hpp"
#include "tools/bench/report.hpp"
#include "tools/bench/schedule.hpp"
#include "tools/cli/command.hpp"

namespace skald::cli::bench {

// Everything that is counted, at one moment.
struct sample {
  steady::time_point at;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  process_figures client = {};
  std::optional<process_figures> broker = {};
  std::optional<broker_status> status = {};  // absent when the broker does not answer any more
};

// Whether the address is one of this machine's own.
bool is_local(std::string_view address);

class target {
 public:
  // Uses the broker at `globals.broker`, or one of its own when `embedded` is given, which outlives this.
  // Throws command_error.
  target(const global_options& globals, const embedded_broker* embedded);
  // Deletes the topic that prepare_topic() made, or those of the sagas, and complains if it cannot.
  ~target();
  target(const target&) = delete;
  target& operator=(const target&) = delete;

  blocking_client& broker() { return broker_; }
  const std::string& address() const { return globals_.broker; }
  // Where it is and which, for the report.
  std::string describe();
  // What a reader of the figures ought to know about it.
  std::vector<std::string> remarks() const;

  // Fails unless the disk has room for what the run writes.
  void check_room(const disk_plan& plan);
  // Makes the topic, or finds the one that is to be used, and tells its partitions; for requests and sagas,
  // only a name. Throws command_error.
  void prepare_topic(options& with, const disk_plan& plan);
  const std::string& topic() const { return topic_; }
  std::uint64_t records_before() const { return records_before_; }

  // Everything but the records.
  sample look();

 private:
  void use_existing(options& with);

  global_options globals_;
  const embedded_broker* embedded_;
  blocking_client broker_;
  std::optional<pid_t> process_;
  std::string topic_;
  std::uint64_t records_before_ = 0;
  bool delete_topic_ = false;
  bool delete_topics_below_ = false;  // all whose names begin with topic_
};

// What came through between two samples, and what both processes used. `written_share` says how many bytes
// were published for each that came through.
void compare(const sample& before, const sample& after, double written_share, report& into);

}  // namespace skald::cli::bench
