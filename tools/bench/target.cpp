#include "tools/bench/target.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <string_view>

#include "tools/bench/crew.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli::bench {
namespace {

constexpr milliseconds looking_max{2000};  // a broker that has gone is not waited for

global_options at_address(global_options globals, const embedded_broker* embedded) {
  if (embedded != nullptr) globals.broker = embedded->address();
  return globals;
}

// The port, when the address says that the broker is on this machine.
std::optional<std::uint16_t> local_port(std::string_view address) {
  if (!is_local(address)) return std::nullopt;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::uint16_t{7411};
  std::uint16_t port = 0;
  const auto [end, failed] =
      std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  if (failed != std::errc{} || end != address.data() + address.size()) return std::nullopt;
  return port;
}

std::optional<pid_t> process_of(const std::string& address, const embedded_broker* embedded) {
  if (embedded != nullptr) return embedded->process();
  const auto port = local_port(address);
  return port ? listening_process(*port) : std::nullopt;
}

std::string unique_name() {
  std::random_device random;
  constexpr const char* digits = "0123456789abcdefghijklmnopqrstuv";
  std::string name = "skald-bench-";
  for (int i = 0; i < 10; ++i) name += digits[random() % 32];
  return name;
}

std::uint64_t records_of(const topic_info& topic) {
  std::uint64_t all = 0;
  for (const partition_info& each : topic.partitions) all += each.end.value();
  return all;
}

}  // namespace

bool is_local(std::string_view address) {
  const std::string_view host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

target::target(const global_options& globals, const embedded_broker* embedded)
    : globals_(at_address(globals, embedded)),
      embedded_(embedded),
      broker_(connect(globals_)),
      process_(process_of(globals_.broker, embedded)) {}

target::~target() {
  if (embedded_ != nullptr) return;  // an embedded broker goes with all it has
  try {
    if (delete_topic_) broker_.delete_topic(topic_);
    if (!delete_topics_below_) return;
    for (const topic_info& each : broker_.list_topics())
      if (each.name.starts_with(topic_)) broker_.delete_topic(each.name);
  } catch (const error& failed) {
    const std::string what =
        delete_topics_below_ ? "topics '" + topic_ + "*' are" : "topic '" + topic_ + "' is";
    complain(what + " left behind: " + failed.message());
  }
}

std::string target::describe() {
  const std::string version = ", skald " + broker_.status().broker_version;
  if (embedded_ == nullptr) return globals_.broker + version;
  const std::filesystem::path parent = embedded_->data_directory().parent_path();
  const std::string file_system = file_system_of(parent);
  return "embedded" + version + ", data in " + printable(parent.string()) +
         (file_system.empty() ? "" : " (" + file_system + ")");
}

std::vector<std::string> target::remarks() const {
  std::vector<std::string> all;
  if (embedded_ != nullptr) {
    const std::string file_system = file_system_of(embedded_->data_directory());
    if (file_system == "tmpfs" || file_system == "ramfs")
      all.push_back("the data are in memory (" + file_system +
                    "): nothing is durable, and fsync costs nothing; "
                    "name a directory on a disk with --dir");
  }
  if (!process_) {
    all.emplace_back(
        "the broker's process is not one that this user may look at on this machine: no processor time, no "
        "bytes "
        "written");
  }
  return all;
}

void target::check_room(const disk_plan& plan) {
  const broker_status status = broker_.status();
  if (status.storage_full)
    throw command_error(exit_code::failed, "the broker's disk is full: it refuses every publish");
  if (status.disk_free_bytes >= plan.bytes_needed) return;
  throw command_error(exit_code::failed, "the broker's disk has " + format_size(status.disk_free_bytes) +
                                             " free, and this benchmark may need " +
                                             format_size(plan.bytes_needed) +
                                             "; lower --count, --size or --partitions, or make room");
}

void target::prepare_topic(options& with, const disk_plan& plan) {
  topic_ = with.topic.empty() ? unique_name() : with.topic;
  if (with.what == workload::request) return;
  if (with.what == workload::saga) {
    // The workers make its topics, whose names begin with this one.
    delete_topics_below_ = !with.keep;
    return;
  }
  if (with.existing) return use_existing(with);
  try {
    broker_.create_topic(topic_, {.partitions = with.partitions, .retention_bytes = plan.retention_bytes});
    delete_topic_ = !with.keep;
    if (with.what == workload::queue) broker_.create_queue(topic_, queue_name);
  } catch (const error& failed) {
    if (failed.code() != errc::topic_exists) throw about(topic_, failed);
    const bool usable = with.what == workload::publish || with.what == workload::consume;
    throw command_error(exit_code::failed,
                        "topic '" + topic_ +
                            "' exists already, and a benchmark would mix with what it holds; " +
                            (usable ? "give --existing if that is what you want, or another name"
                                    : "give another name, or none"));
  }
}

void target::use_existing(options& with) {
  const topic_info found = about_topic(topic_, [&] { return broker_.describe_topic(topic_); });
  with.partitions = static_cast<std::uint32_t>(found.partitions.size());
  records_before_ = records_of(found);
  if (const result<> fine = check_shares(with); !fine)
    throw command_error(exit_code::usage, fine.error().message);
}

sample target::look() {
  sample is{.at = steady::now(), .client = own_figures()};
  if (process_) is.broker = figures_of(*process_);
  try {
    is.status = broker_.status({.timeout = std::min<milliseconds>(globals_.timeout, looking_max)});
  } catch (const error&) {
    // The report says that it failed, from whoever noticed first, and has what there is.
    is.status.reset();
  }
  return is;
}

void compare(const sample& before, const sample& after, double written_share, report& into) {
  into.measured = after.at - before.at;
  const double seconds = std::max(into.measured.count(), 1e-9);
  into.records = after.records - before.records;
  into.bytes = after.bytes - before.bytes;
  into.client_cores = (after.client.cpu_seconds - before.client.cpu_seconds) / seconds;
  into.client_memory_bytes = after.client.peak_memory_bytes;
  if (before.broker && after.broker) {
    into.used.cores = (after.broker->cpu_seconds - before.broker->cpu_seconds) / seconds;
    into.used.memory_bytes = after.broker->peak_memory_bytes;
    if (before.broker->disk_written_bytes && after.broker->disk_written_bytes)
      into.used.disk_written_bytes = *after.broker->disk_written_bytes - *before.broker->disk_written_bytes;
  } else if (after.status) {
    into.used.memory_bytes = after.status->memory_bytes;
    into.used.memory_is_peak = false;
  }
  into.used.payload_written_bytes =
      static_cast<std::uint64_t>(static_cast<double>(into.bytes) * written_share);
  if (before.status && after.status)
    into.used.syncs = after.status->journal_syncs - before.status->journal_syncs;
}

}  // namespace skald::cli::bench
