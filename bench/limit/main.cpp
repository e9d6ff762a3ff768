// skald-limit: what this machine can do, as the yardstick for what skald does on it. See README.md.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/limit/files.hpp"
#include "bench/limit/measurements.hpp"
#include "bench/limit/process.hpp"
#include "bench/limit/report.hpp"

namespace skald::bench::limit {
namespace {

struct options {
  std::filesystem::path directory = ".";
  double seconds = 1;
  std::size_t rounds = 3;
  std::string output = "table";
  std::vector<std::size_t> sync_bytes{256, 1024, 4096, 64 << 10, 512 << 10, 2 << 20};
  std::size_t payload_bytes = 64 << 10;
  std::size_t window_bytes = 16 << 20;
  std::size_t frames_in_flight = 0;  // 0: as many as the window holds
  std::size_t record_bytes = 100;
  std::vector<double> rates{1000, 10'000};
  std::size_t read_bytes = 1 << 20;
  std::size_t message_bytes = 128;
  std::vector<std::size_t> messages_in_flight{1, 64};

  steady_clock::duration duration() const {
    return std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
  }
};

using measurements = std::vector<measurement>;

void add_fdatasync(measurements& list, const options& chosen, recycled_segments& segments,
                   const std::filesystem::path& directory) {
  const auto duration = chosen.duration();
  for (const std::size_t bytes : chosen.sync_bytes) {
    const std::string size = byte_text(bytes);
    list.push_back({"fdatasync", size + ", recycled segments",
                    [=, &segments] { return measure_recycled(segments, bytes, duration); }});
    list.push_back({"fdatasync", size + ", appended",
                    [=] { return measure_growth(growth::append, directory, bytes, duration); }});
    list.push_back({"fdatasync", size + ", zero-filled ahead",
                    [=] { return measure_growth(growth::zero_filled_ahead, directory, bytes, duration); }});
  }
}

void add_group_commit(measurements& list, const options& chosen, recycled_segments& segments,
                      std::size_t payload_bytes, std::size_t in_flight) {
  const auto duration = chosen.duration();
  const std::string name = byte_text(payload_bytes) + " frames, " + std::to_string(in_flight) + " in flight";
  list.push_back({"group-commit", name, [=, &segments] {
                    return measure_group_commit(segments, commit_threads::one, payload_bytes, in_flight,
                                                duration);
                  }});
  if (in_flight < 2) return;  // nothing to write while the only frame is synced
  list.push_back({"group-commit", name + ", pipelined", [=, &segments] {
                    return measure_group_commit(segments, commit_threads::two, payload_bytes, in_flight,
                                                duration);
                  }});
}

void add_delivery(measurements& list, const options& chosen, recycled_segments& segments) {
  for (const double rate : chosen.rates) {
    list.push_back({"delivery", byte_text(chosen.record_bytes) + ", " + number_text(rate) + "/s",
                    [=, &segments, bytes = chosen.record_bytes, duration = chosen.duration()] {
                      return measure_delivery(segments, bytes, rate, duration);
                    }});
  }
}

using echo_measurement = std::vector<metric> (*)(std::size_t, std::size_t, steady_clock::duration);

void add_echo(measurements& list, const options& chosen, const std::string& group, echo_measurement measure) {
  for (const std::size_t in_flight : chosen.messages_in_flight) {
    list.push_back({group, byte_text(chosen.message_bytes) + ", " + std::to_string(in_flight) + " in flight",
                    [=, bytes = chosen.message_bytes, duration = chosen.duration()] {
                      return measure(bytes, in_flight, duration);
                    }});
  }
}

struct selection {
  const CLI::App* fdatasync;
  const CLI::App* group_commit;
  const CLI::App* delivery;
  const CLI::App* stream;
  const CLI::App* echo;
  const CLI::App* routed_echo;
  bool all;

  bool has(const CLI::App* command) const { return all || command->parsed(); }
  bool uses_disk() const { return has(fdatasync) || has(group_commit) || has(delivery) || has(stream); }
};

selection define(CLI::App& app, options& chosen) {
  const auto size = CLI::AsSizeValue(false);
  app.add_option("--dir", chosen.directory, "where to put a temporary directory on the disk to measure");
  app.add_option("--seconds", chosen.seconds, "for each measurement of a round")
      ->check(CLI::Range(0.01, 600.0));
  app.add_option("--rounds", chosen.rounds, "interleaved rounds")->check(CLI::Range(1, 1000));
  app.add_option("--output", chosen.output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.require_subcommand(0);
  app.fallthrough();

  CLI::App* sync = app.add_subcommand("fdatasync", "write and fdatasync, one after the other");
  sync->add_option("--bytes", chosen.sync_bytes, "sizes of a write")
      ->transform(size)
      ->check(CLI::Range(std::size_t{1}, std::size_t{8} << 20));
  CLI::App* commit = app.add_subcommand("group-commit", "durable frames over one TCP connection");
  commit->add_option("--bytes", chosen.payload_bytes, "payload of a frame")
      ->transform(size)
      ->check(CLI::Range(std::size_t{1}, std::size_t{32} << 20));
  commit->add_option("--window", chosen.window_bytes, "bytes that may be unacknowledged")
      ->transform(size)
      ->check(CLI::Range(std::size_t{1}, std::size_t{64} << 20));
  commit->add_option("--in-flight", chosen.frames_in_flight,
                     "frames that may be unacknowledged, instead of --window");
  CLI::App* delivery =
      app.add_subcommand("delivery", "records at a fixed rate, made durable and sent on over TCP");
  delivery->add_option("--bytes", chosen.record_bytes, "size of a record")
      ->transform(size)
      ->check(CLI::Range(std::size_t{1}, std::size_t{64} << 10));
  delivery->add_option("--rate", chosen.rates, "records a second")->check(CLI::Range(1.0, 1e6));
  CLI::App* stream = app.add_subcommand("stream", "page cache to a client over TCP");
  stream->add_option("--bytes", chosen.read_bytes, "size of a read")
      ->transform(size)
      ->check(CLI::Range(std::size_t{1}, std::size_t{64} << 20));
  CLI::App* echo = app.add_subcommand("echo", "round trips over TCP");
  CLI::App* routed = app.add_subcommand("routed-echo", "round trips over TCP through a router process");
  for (CLI::App* command : {echo, routed}) {
    command->add_option("--bytes", chosen.message_bytes, "size of a message")
        ->transform(size)
        ->check(CLI::Range(std::size_t{1}, std::size_t{64} << 10));
    command->add_option("--in-flight", chosen.messages_in_flight, "messages in flight")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1024}));
  }
  return {sync, commit, delivery, stream, echo, routed, false};
}

void run(const options& chosen, const selection& selected) {
  // Segments, a young store with its next segment, and room for what the file system itself needs.
  std::uint64_t bytes_needed = std::uint64_t{192} << 20;
  if (selected.uses_disk()) bytes_needed += segment_count * segment_bytes;
  if (selected.has(selected.fdatasync)) bytes_needed += growth_bytes;
  const scratch_directory directory(chosen.directory, bytes_needed);
  std::optional<recycled_segments> segments;
  if (selected.uses_disk()) segments.emplace(directory.path());

  measurements list;
  if (selected.has(selected.fdatasync)) add_fdatasync(list, chosen, *segments, directory.path());
  if (selected.has(selected.group_commit)) {
    const std::size_t in_window = std::max<std::size_t>(1, chosen.window_bytes / chosen.payload_bytes);
    const std::size_t in_flight = chosen.frames_in_flight > 0 ? chosen.frames_in_flight : in_window;
    add_group_commit(list, chosen, *segments, chosen.payload_bytes, in_flight);
    if (selected.all) add_group_commit(list, chosen, *segments, 1024, 1);
  }
  if (selected.has(selected.delivery)) add_delivery(list, chosen, *segments);
  if (selected.has(selected.stream)) {
    list.push_back({"stream", byte_text(chosen.read_bytes) + " reads",
                    [&] { return measure_stream(segments->first(), chosen.read_bytes, chosen.duration()); }});
  }
  if (selected.has(selected.echo)) add_echo(list, chosen, "echo", measure_echo);
  if (selected.has(selected.routed_echo)) add_echo(list, chosen, "routed-echo", measure_routed_echo);

  const std::vector<result> results = run_interleaved(list, chosen.rounds);
  if (chosen.output == "json") {
    print_json(std::cout, results);
  } else {
    print_table(std::cout, results);
  }
}

}  // namespace
}  // namespace skald::bench::limit

int main(int argc, char** argv) {
  using namespace skald::bench::limit;
  CLI::App app{"Measures what this machine can do: all of it, or the measurements that are named."};
  options chosen;
  selection selected = define(app, chosen);
  CLI11_PARSE(app, argc, argv);
  selected.all = app.get_subcommands().empty();
  handle_interrupts();
  try {
    run(chosen, selected);
  } catch (const std::exception& error) {
    // A SIGINT to the whole group may end a server, and break its connection, before it is noticed here.
    if (interrupt_requested()) return 130;
    std::fprintf(stderr, "skald-limit: %s\n", error.what());
    return 1;
  }
  return 0;
}
