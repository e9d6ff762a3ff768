#include "tools/bench/bench_command.hpp"

#include <memory>
#include <string>

#include "tools/bench/options.hpp"
#include "tools/bench/run.hpp"
#include "tools/cli/quantity.hpp"

namespace skald::cli {
namespace {

using bench::options;
using bench::workload;

constexpr std::uint32_t workers_max = 256;
constexpr std::uint32_t keys_max = 10'000'000;

constexpr const char* footer =
    R"(Without -b and SKALD_BROKER it starts a broker of its own, in a directory that it removes at the end.

Latencies come from an HDR histogram. With --rate they are measured from when each record was due, so that a
broker that stalls is late with everything that was due meanwhile; without it, producers go as fast as --in-flight
lets them, and latencies are those of a full pipeline: --in-flight 1 measures one record at a time.

Every record is numbered and has a checksum; what is lost, repeated, out of order or damaged fails the run.
The last line is for scripts: skald-bench workload=... status=ok|interrupted|failed records=... and so on.

Examples:
  skald bench publish --limit
  skald bench publish --size 100B --producers 2 --partitions 8 --durability memory
  skald bench pubsub --rate 20000 --duration 1m
  skald bench consume --file events.jsonl --compression zstd
  skald -b db1:7411 bench fanout --consumers 10 --rate 1000 --output json

Exit status: 0 done and verified, 1 failed, 2 usage, 3 no connection, 130 interrupted, 143 terminated; the results
of the last two, and of a failure while it ran, are marked as partial.)";

// Whether the user named a broker, by option or environment.
bool names_broker(const CLI::App& app) {
  return app.get_option("--broker")->count() != 0;
}

result<bench::size_range> parse_sizes(const std::string& text) {
  return bench::parse_size_range(text);
}

void add_count(CLI::App& command, const std::string& name, std::uint32_t& into, std::uint32_t max,
               const std::string& description) {
  command.add_option(name, into, description)->check(whole_number(1, max))->type_name("N");
}

void add_record_options(CLI::App& command, options& into) {
  add_parsed_option(command, "--size", into.size, parse_sizes,
                    "Bytes of each record, or a range such as 100B-4KiB [1KiB]", "SIZE")
      ->excludes(command.add_option("--file", into.file, "Use the lines of this file as records")
                     ->type_name("FILE"));
  command
      .add_option_function<std::string>(
          "--payload",
          [&into](const std::string& kind) {
            into.payload = kind == "text" ? bench::content::text : bench::content::random;
          },
          "random, which does not compress, or text [random]")
      ->check(one_of({"random", "text"}))
      ->type_name("KIND");
}

void add_topic_options(CLI::App& command, options& into) {
  add_count(command, "--partitions", into.partitions, 10'000, "Partitions of the topic [1]");
  command.add_option("--topic", into.topic, "The topic's name [a new one]")->type_name("NAME");
  command.add_flag("--keep", into.keep, "Do not delete the topic at the end");
}

void add_publishing_options(CLI::App& command, options& into) {
  add_count(command, "--keys", into.keys, keys_max, "Give records one of so many keys [none]");
  command
      .add_option_function<std::string>(
          "--durability",
          [&into](const std::string& name) {
            into.durability = name == "memory" ? durability::memory : durability::disk;
          },
          "When a record is acknowledged: disk or memory [disk]")
      ->check(one_of({"disk", "memory"}))
      ->type_name("LEVEL");
  command
      .add_option_function<std::string>(
          "--compression",
          [&into](const std::string& name) {
            into.compression = name == "lz4"    ? compression::lz4
                               : name == "zstd" ? compression::zstd
                                                : compression::none;
          },
          "none, lz4 or zstd [none]")
      ->check(one_of({"none", "lz4", "zstd"}))
      ->type_name("CODEC");
  const auto parse_batch = [](const std::string& text) -> result<std::uint32_t> {
    constexpr std::uint64_t largest = 16u << 20;
    const auto size = parse_size(text);
    if (!size) return size.error();
    if (*size == 0 || *size > largest)
      return failure{errc::invalid_request, "it must be from 1 B to " + format_size(largest)};
    return static_cast<std::uint32_t>(*size);
  };
  add_parsed_option(command, "--batch", into.batch_bytes, parse_batch, "Bytes of a full batch [256KiB]",
                    "SIZE");
  add_parsed_option(
      command, "--linger", into.linger, [](const std::string& text) { return parse_duration(text); },
      "How long a batch waits to be full [0]", "DURATION");
}

void add_pace_options(CLI::App& command, options& into, const std::string& what) {
  command
      .add_option("--rate", into.rate, "So many " + what + " a second, of all together [as fast as they can]")
      ->check(whole_number(1))
      ->type_name("N");
  command.add_option("--in-flight", into.in_flight, "At most so many under way, of each")
      ->check(whole_number(1))
      ->type_name("N");
}

void add_time_options(CLI::App& command, options& into, const std::string& count) {
  const auto parse = [](const std::string& text) { return parse_duration(text); };
  const auto parse_length = [](const std::string& text) -> result<std::chrono::milliseconds> {
    auto parsed = parse_duration(text);
    if (parsed && parsed->count() == 0) return failure{errc::invalid_request, "it must be more than 0"};
    return parsed;
  };
  add_parsed_option(command, "--warm-up", into.warm_up, parse, "Run so long before measuring [1s]",
                    "DURATION");
  CLI::Option* const duration = add_parsed_option(command, "--duration", into.duration, parse_length,
                                                  "Measure so long [10s]", "DURATION");
  if (!count.empty()) {
    command.add_option("-n,--count", into.count, count)
        ->check(whole_number(1, 1'000'000'000'000))
        ->type_name("N")
        ->excludes(duration);
  }
  command.add_flag("--limit", into.limit,
                   "Measure what this machine can do as well, before and after, and tell the ratio");
  command
      .add_option("--dir", into.directory,
                  "Where a broker of its own, and --limit, have their files [$TMPDIR, else /var/tmp]")
      ->type_name("DIR");
}

struct kind {
  workload what;
  const char* description;
  const char* producers;  // null: there are none to count
  const char* consumers;
};

constexpr kind kinds[] = {
    {workload::publish, "Publish, and wait for the acknowledgements", "Producers [1]", nullptr},
    {workload::consume, "Read what a topic holds, over and over", nullptr,
     "Consumers, which share the partitions [1]"},
    {workload::pubsub, "Publish and read at the same time; latency is end to end", "Producers [1]",
     "Consumers, which share the partitions [1]"},
    {workload::fanout, "Publish to consumers that each read everything", "Producers [1]", "Consumers [2]"},
    {workload::queue, "Publish to a work queue, whose consumers acknowledge each record", "Producers [1]",
     "Consumers [1]"},
    {workload::request, "Ask a service and wait for its replies", "Callers [1]", "Responders [1]"},
    {workload::saga, "Run sagas of two local steps and two calls",
     "Orchestrators, each with a participant [1]", nullptr},
};

void add_workload(CLI::App& bench_app, const kind& of, CLI::App& app, const global_options& globals,
                  action& chosen) {
  CLI::App* command =
      bench_app.add_subcommand(std::string(to_string(of.what)), of.description)->group("Workloads");
  const auto with = std::make_shared<options>();
  with->what = of.what;
  if (of.what == workload::fanout) with->consumers = 2;
  const bool sagas = of.what == workload::saga;
  const bool uses_topic = of.what != workload::request && !sagas;
  if (of.producers) add_count(*command, "--producers", with->producers, workers_max, of.producers);
  if (of.consumers) add_count(*command, "--consumers", with->consumers, workers_max, of.consumers);
  if (sagas) {
    add_count(*command, "--partitions", with->partitions, 10'000, "Partitions of their topics [1]");
    command->add_flag("--keep", with->keep, "Do not delete the topics at the end");
  } else {
    add_record_options(*command, *with);
  }
  if (uses_topic) {
    add_topic_options(*command, *with);
    add_publishing_options(*command, *with);
  }
  if (of.what == workload::publish || of.what == workload::consume)
    command->add_flag("--existing", with->existing,
                      "The topic is there: use it as it is, and do not delete it");
  if (of.what == workload::queue)
    add_count(*command, "--prefetch", with->prefetch, 100'000,
              "Records that a consumer holds at a time [2048]");
  if (of.producers) add_pace_options(*command, *with, sagas ? "sagas" : uses_topic ? "records" : "requests");
  add_time_options(*command, *with,
                   of.what == workload::consume ? "Publish so many records first, and read them once"
                                                : "End after so many, instead of a duration");
  command->footer(footer);
  command->callback([with, &app, &globals, &chosen] {
    if (const auto fine = bench::check(*with); !fine)
      throw CLI::ValidationError(std::string(to_string(with->what)), fine.error().message);
    chosen = [with, &app, &globals] { return bench::run(globals, *with, !names_broker(app)); };
  });
}

}  // namespace

void add_bench_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command = app.add_subcommand("bench", "Measure how fast a broker is")->group("Commands");
  command->require_subcommand(1);
  command->footer(footer);
  for (const kind& each : kinds) add_workload(*command, each, app, globals, chosen);
}

}  // namespace skald::cli
