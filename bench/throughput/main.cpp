// skald-throughput: what skald does, beside what the machine can do, in the same run.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

#include "bench/limit/files.hpp"
#include "bench/limit/measurements.hpp"
#include "bench/limit/process.hpp"
#include "bench/throughput/measurements.hpp"

namespace skald::bench {
namespace {

struct options {
  std::filesystem::path daemon;
  std::filesystem::path directory = ".";
  double seconds = 3;
  std::size_t rounds = 3;
  std::string output = "table";
  std::uint64_t restart_bytes = std::uint64_t{10} << 30;
  std::vector<std::string> daemon_arguments;
};

using measurements = std::vector<limit::measurement>;
constexpr std::size_t limit_window_bytes = 16u << 20;
constexpr std::size_t limit_frame_bytes = 64u << 10;

void add_publish(measurements& list, const setting& with, limit::recycled_segments& segments) {
  const auto limit_of = [&, duration = with.duration](limit::commit_threads threads) {
    return [&segments, threads, duration] {
      return limit::measure_group_commit(segments, threads, limit_frame_bytes,
                                         limit_window_bytes / limit_frame_bytes, duration);
    };
  };
  list.push_back({"publish", "limit: group commit", limit_of(limit::commit_threads::one)});
  list.push_back({"publish", "limit: group commit, pipelined", limit_of(limit::commit_threads::two)});
  const auto add = [&](const char* name, publish_shape shape) {
    list.push_back({"publish", name, [=, &with] { return measure_publish(with, shape); }});
  };
  add("1 KiB", {.record_bytes = 1024});
  add("1 KiB, retention running", {.record_bytes = 1024, .retention = true});
  add("1 KiB, 1,000 partitions", {.record_bytes = 1024, .partitions = 1000});
  add("100 B", {.record_bytes = 100});
  add("16 B", {.record_bytes = 16});
}

void add_latency(measurements& list, const setting& with, limit::recycled_segments& segments) {
  list.push_back({"latency", "limit: fdatasync, 1 KiB",
                  [&] { return limit::measure_recycled(segments, 1024, with.duration); }});
  list.push_back({"latency", "limit: group commit, 1 KiB, 1 in flight", [&] {
                    return limit::measure_group_commit(segments, limit::commit_threads::one, 1024, 1,
                                                       with.duration);
                  }});
  list.push_back({"latency", "1 KiB, 1 in flight", [&] { return measure_publish_latency(with, 1024); }});
}

// The limit of routing is a process that passes on what comes, without looking at it.
void add_request(measurements& list, const setting& with) {
  constexpr std::size_t body_bytes = 128;
  for (const std::size_t in_flight : {1u, 64u}) {
    const std::string shape = "128 B, " + std::to_string(in_flight) + " in flight";
    list.push_back({"request", "limit: routed echo, " + shape, [in_flight, duration = with.duration] {
                      return limit::measure_routed_echo(body_bytes, in_flight, duration);
                    }});
    list.push_back(
        {"request", shape, [&with, in_flight] { return measure_request(with, body_bytes, in_flight); }});
  }
}

void add_consume(measurements& list, const setting& with, limit::recycled_segments& segments) {
  list.push_back({"consume", "limit: loopback stream",
                  [&] { return limit::measure_stream(segments.first(), 1u << 20, with.duration); }});
  list.push_back({"consume", "1 KiB, page cache", [&] { return measure_catch_up(with, 1024); }});
  list.push_back({"consume", "100 B, page cache", [&] { return measure_catch_up(with, 100); }});
}

void run(const options& chosen, const CLI::App& app) {
  const auto has = [&](const char* name) {
    return app.get_subcommands().empty() || app.get_subcommand(name)->parsed();
  };
  std::uint64_t bytes_needed = (std::uint64_t{8} << 30) + limit::segment_count * limit::segment_bytes;
  if (has("restart")) bytes_needed += chosen.restart_bytes;
  const limit::scratch_directory directory(chosen.directory, bytes_needed);
  const setting with{chosen.daemon, directory.path(),
                     std::chrono::duration_cast<limit::steady_clock::duration>(
                         std::chrono::duration<double>(chosen.seconds)),
                     chosen.daemon_arguments};
  limit::recycled_segments segments(directory.path());

  measurements list;
  if (has("publish")) add_publish(list, with, segments);
  if (has("latency")) add_latency(list, with, segments);
  if (has("consume")) add_consume(list, with, segments);
  if (has("request")) add_request(list, with);
  if (has("queue")) {
    const auto add_queue = [&](const char* name, queue_shape shape) {
      list.push_back({"queue", name, [&with, shape] { return measure_queue(with, shape); }});
    };
    add_queue("100 B, 4 consumers", {});
    add_queue("1 KiB, 4 consumers", {.record_bytes = 1024, .records = 1'000'000});
    add_queue("100 B, 4 consumers, prefetch 64", {.prefetch = 64});
    add_queue("100 B, 4 consumers, one partition", {.partitions = 1});
  }
  if (has("commit")) {
    const auto add_commit = [&](const char* name, commit_shape shape) {
      list.push_back({"commit", name, [&with, shape] { return measure_commit(with, shape); }});
    };
    add_commit("one of a queue in, three of 100 B out", {});
    add_commit("one of a group in, three of 100 B out", {.from_queue = false});
    for (const std::size_t per_commit : {1u, 16u})
      list.push_back({"commit", "a million keys, " + std::to_string(per_commit) + " at a time",
                      [&with, per_commit] { return measure_versions(with, {.per_commit = per_commit}); }});
  }
  if (has("idle")) {
    list.push_back({"idle", "1,000 queues", [&with] { return measure_idle_queues(with, 1'000); }});
    for (const std::uint32_t partitions : {1'000u, 10'000u}) {
      list.push_back({"idle", std::to_string(partitions) + " partitions",
                      [&with, partitions] { return measure_idle_partitions(with, partitions); }});
    }
  }
  if (has("timers")) {
    list.push_back(
        {"timers", "1,000,000 due in one second", [&] { return measure_timers(with, 1'000'000); }});
  }
  auto results = limit::run_interleaved(list, chosen.rounds);
  if (has("restart")) {
    const auto once = limit::run_interleaved(
        {{"restart", "after SIGKILL", [&] { return measure_restart(with, chosen.restart_bytes); }}}, 1);
    results.insert(results.end(), once.begin(), once.end());
  }
  if (chosen.output == "json") {
    limit::print_json(std::cout, results);
  } else {
    limit::print_table(std::cout, results);
  }
}

}  // namespace
}  // namespace skald::bench

int main(int argc, char** argv) {
  using namespace skald::bench;
  CLI::App app{
      "Measures what skald does beside what this machine can do: all of it, or the measurements that are "
      "named."};
  options chosen;
  chosen.daemon = std::filesystem::read_symlink("/proc/self/exe").parent_path() / SKALDD_FROM_HERE;
  app.add_option("--skaldd", chosen.daemon, "the daemon to measure")->check(CLI::ExistingFile);
  app.add_option("--dir", chosen.directory, "where to put a temporary directory on the disk to measure");
  app.add_option("--seconds", chosen.seconds, "for each measurement of a round")
      ->check(CLI::Range(0.1, 600.0));
  app.add_option("--rounds", chosen.rounds, "interleaved rounds")->check(CLI::Range(1, 1000));
  app.add_option("--output", chosen.output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_option("--restart-bytes", chosen.restart_bytes, "what is stored when the broker is killed")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--daemon-argument", chosen.daemon_arguments, "passed on to skaldd, may be repeated");
  app.require_subcommand(0);
  app.fallthrough();
  app.add_subcommand("publish", "one producer, durable");
  app.add_subcommand("latency", "one durable record in flight");
  app.add_subcommand("consume", "one consumer, from the page cache");
  app.add_subcommand("request", "requests to a responder and their replies");
  app.add_subcommand("queue", "consumers that share a queue, durable");
  app.add_subcommand("commit", "units of work: inputs and outputs, and versions expected of keys");
  app.add_subcommand("idle", "memory of partitions and queues that nobody uses");
  app.add_subcommand("timers", "a million records that wait, set and then due at once");
  app.add_subcommand("restart", "SIGKILL, then the time until it serves again");
  CLI11_PARSE(app, argc, argv);
  limit::handle_interrupts();
  try {
    run(chosen, app);
  } catch (const limit::interrupted&) {
    return 130;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "skald-throughput: %s\n", error.what());
    return 1;
  }
  return 0;
}
