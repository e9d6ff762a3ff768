// skald doctor
#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/doctor.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

struct doctor_options {
  doctor_limits limits;
  bool metrics = false;
  std::string forget;
};

exit_code forget(const global_options& globals, const std::string& instance) {
  blocking_client broker = connect(globals);
  try {
    const key_records found = broker.read_key(health::topic, instance, {.latest = true});
    for (const record& newest : found.records)
      if (newest.value()) {
        broker.publish(health::topic, {.key = instance, .value = std::nullopt});
        return exit_code::ok;
      }
  } catch (const error& why) {
    if (why.code() != errc::unknown_key && why.code() != errc::unknown_topic) throw;
  }
  throw command_error(
      exit_code::failed,
      "instance '" + instance + "' has not reported; write SERVICE/INSTANCE, as skald doctor does");
}

exit_code examine(const global_options& globals, const doctor_options& options) {
  if (!options.forget.empty()) return forget(globals, options.forget);
  blocking_client broker = connect(globals);
  const observations seen = observe(broker);
  doctor_limits limits = options.limits;
  limits.overdue = std::min(limits.overdue, limits.patience);
  const std::vector<finding> all = diagnose(seen, limits);
  if (options.metrics) {
    print(metrics_text(measure(seen)));
    return exit_code::ok;
  }
  if (globals.json) {
    print(json::serialize(doctor_json(all, measure(seen), seen.now)) + "\n");
  } else if (!all.empty()) {
    print(findings_text(all, seen.now));
  } else if (!globals.quiet) {
    print(healthy_text(seen));
  }
  return all.empty() ? exit_code::ok : exit_code::stuck;
}

}  // namespace

void add_doctor_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command =
      app.add_subcommand("doctor", "Say what is stuck, since when, why, and which command helps")
          ->group("Commands");
  const auto options = std::make_shared<doctor_options>();
  doctor_limits& limits = options->limits;
  add_parsed_option(
      *command, "--patience", limits.patience, parse_duration,
      "What waits longer is stuck: a saga without an end, a record in a queue or behind a group, "
      "a row in an outbox [5m]",
      "DURATION");
  add_parsed_option(*command, "--min-free", limits.disk_free_bytes_min, parse_size,
                    "With less space than that, the broker's disk is nearly full [1GiB]", "SIZE");
  command->add_option("--expect", limits.expected_services, "Services that must have instances")
      ->delimiter(',')
      ->type_name("SUBJECT");
  CLI::Option* metrics = command->add_flag(
      "--metrics", options->metrics, "Write figures instead, in the text format of Prometheus; exit with 0");
  command
      ->add_option("--forget", options->forget,
                   "Take back the report of an instance that is gone for good; look at nothing")
      ->excludes(metrics)
      ->type_name("SERVICE/INSTANCE");
  command->footer(
      "It looks for sagas that are parked or do not come to an end, queues and consumer groups that nobody\n"
      "consumes or that fall behind, dead letters, instances of services that drain, are unhealthy, or have\n"
      "gone silent, replies that nobody takes, timers that are overdue, rows that stay in outboxes, circuit\n"
      "breakers that are open, and a disk that is nearly full.\n\n"
      "Outboxes and breakers are in the services; those that use skald::health report them.\n\n"
      "Exits with 0 when nothing is stuck, with 6 when something is.\n\n"
      "Examples:\n"
      "  skald doctor\n"
      "  skald doctor --patience 30s --expect price,stock\n"
      "  skald doctor --output json | jq -r '.findings[].what'\n"
      "  skald doctor --metrics > /var/lib/node_exporter/skald.prom");
  command->callback(
      [&globals, &chosen, options] { chosen = [&globals, options] { return examine(globals, *options); }; });
}

}  // namespace skald::cli
