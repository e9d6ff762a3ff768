// skald status, skald ping
#include <boost/json.hpp>
#include <chrono>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/table.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

std::string timestamp_text(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

json::object to_json(const broker_status& status, const std::string& address) {
  return {{"broker", address},
          {"broker_version", status.broker_version},
          {"broker_id", status.broker_id},
          {"uptime_ms", status.uptime.count()},
          {"now", timestamp_text(status.now)},
          {"connections", status.connections},
          {"subscriptions", status.subscriptions},
          {"topics", status.topics},
          {"partitions", status.partitions},
          {"records_in", status.records_in},
          {"bytes_in", status.bytes_in},
          {"bytes_out", status.bytes_out},
          {"memory_bytes", status.memory_bytes},
          {"memory_budget_bytes", status.memory_budget_bytes},
          {"journal_segments", status.journal_segments},
          {"journal_bytes", status.journal_bytes},
          {"journal_live_bytes", status.journal_live_bytes},
          {"journal_syncs", status.journal_syncs},
          {"disk_free_bytes", status.disk_free_bytes},
          {"storage_full", status.storage_full},
          {"replay_bytes", status.replay_bytes}};
}

std::string to_text(const broker_status& status, const std::string& address) {
  const auto whole_seconds = std::chrono::floor<std::chrono::seconds>(status.uptime);
  table facts({"", ""});
  facts.add({"broker", address});
  facts.add({"version", status.broker_version});
  facts.add({"id", status.broker_id});
  facts.add({"up", format_duration(whole_seconds)});
  facts.add(
      {"topics", format_count(status.topics) + " with " + format_count(status.partitions) + " partitions"});
  facts.add({"connections", format_count(status.connections) + " with " + format_count(status.subscriptions) +
                                " subscriptions"});
  facts.add(
      {"in since start", format_count(status.records_in) + " records, " + format_size(status.bytes_in)});
  facts.add({"out since start", format_size(status.bytes_out)});
  facts.add({"memory", format_size(status.memory_bytes) + " in use; " +
                           format_size(status.memory_budget_bytes) + " may be in flight"});
  facts.add({"journal", format_size(status.journal_live_bytes) + " live of " +
                            format_size(status.journal_bytes) + " in " +
                            format_count(status.journal_segments) + " segments, " +
                            format_count(status.journal_syncs) + " syncs"});
  facts.add({"replay", format_size(status.replay_bytes) + " at a restart"});
  facts.add({"disk", format_size(status.disk_free_bytes) + " free" +
                         (status.storage_full ? "; FULL: publishes are refused until there is room" : "")});
  return facts.text();
}

exit_code show_status(const global_options& globals) {
  blocking_client broker = connect(globals);
  const broker_status status = broker.status();
  print(globals.json ? json::serialize(to_json(status, globals.broker)) + "\n"
                     : to_text(status, globals.broker));
  return exit_code::ok;
}

exit_code ping(const global_options& globals, unsigned count) {
  blocking_client broker = connect(globals);
  using clock = std::chrono::steady_clock;
  for (unsigned sent = 0; sent < count; ++sent) {
    const auto before = clock::now();
    broker.status();
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - before).count();
    if (globals.json) {
      print(json::serialize(json::object{{"broker", globals.broker}, {"round_trip_us", took}}) + "\n");
    } else {
      print("answer from " + globals.broker + " in " + format_count(static_cast<std::uint64_t>(took)) +
            " us\n");
    }
  }
  return exit_code::ok;
}

}  // namespace

void add_status_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command = app.add_subcommand("status", "Show what the broker is doing")->group("Commands");
  command->footer(
      "Examples:\n"
      "  skald status\n"
      "  skald status --output json | jq .records_in");
  command->callback([&globals, &chosen] { chosen = [&globals] { return show_status(globals); }; });
}

void add_ping_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command = app.add_subcommand("ping", "Measure how fast the broker answers")->group("Commands");
  const auto count = std::make_shared<unsigned>(1);
  command->add_option("--count", *count, "How many times, one after the other [1]")
      ->check(whole_number(1))
      ->type_name("N");
  command->footer(
      "Exits with 0 when the broker answers, with 3 when there is none: a health check.\n\n"
      "Examples:\n"
      "  skald ping\n"
      "  skald -b db1:7411 ping --count 10 --timeout 1s");
  command->callback(
      [&globals, &chosen, count] { chosen = [&globals, count] { return ping(globals, *count); }; });
}

}  // namespace skald::cli
