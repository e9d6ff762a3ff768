// skald timer list|move|cancel
#include <boost/json.hpp>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

struct timer_options {
  std::string owner;
  std::vector<std::string> names;
  std::optional<std::chrono::milliseconds> delay;
  std::optional<timestamp> at;
  bool if_exists = false;
};

std::string timestamp_text(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

exit_code list(const global_options& globals, const timer_options& options) {
  blocking_client broker = connect(globals);
  const std::vector<timer_info> timers = broker.list_timers({.owner_prefix = options.owner});
  if (globals.json) {
    json::array array;
    for (const timer_info& one : timers)
      array.push_back(json::object{{"name", printable(one.name)},
                                   {"due", timestamp_text(one.due)},
                                   {"topic", one.topic},
                                   {"partition", one.partition.value()},
                                   {"bytes", one.bytes}});
    print(json::serialize(array) + "\n");
    return exit_code::ok;
  }
  if (timers.empty()) {
    if (!globals.quiet)
      complain("no timers wait; set one with: skald pub TOPIC MESSAGE --delay 5m --timer NAME");
    return exit_code::ok;
  }
  table rows({"TIMER", "DUE", "TOPIC", ">PARTITION", ">SIZE"});
  for (const timer_info& one : timers)
    rows.add({printable(one.name), timestamp_text(one.due), one.topic, std::to_string(one.partition.value()),
              format_size(one.bytes)});
  print(rows.text());
  return exit_code::ok;
}

// All of the timers named, or none.
exit_code change(const global_options& globals, const timer_options& options) {
  skald::commit changes;
  const auto missing = options.if_exists ? skald::commit::missing::fine : skald::commit::missing::refused;
  for (const std::string& name : options.names) {
    if (options.at) {
      changes.move_timer(name, *options.at, missing);
    } else if (options.delay) {
      changes.move_timer(name, *options.delay, missing);
    } else {
      changes.cancel_timer(name, missing);
    }
  }
  blocking_client broker = connect(globals);
  broker.commit(std::move(changes));
  if (globals.json) {
    const char* const verb = options.at || options.delay ? "moved" : "cancelled";
    print(json::serialize(json::object{{"timers", json::value_from(options.names)}, {"done", verb}}) + "\n");
  }
  return exit_code::ok;
}

void add_names(CLI::App& command, timer_options& options) {
  command.add_option("TIMER", options.names, "OWNER/NAME, as skald timer list writes it")
      ->required()
      ->type_name("");
  command.add_flag("--if-exists", options.if_exists, "One that has fired, or was never set, is fine");
}

}  // namespace

void add_timer_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* timer = app.add_subcommand("timer", "Look after records that wait for their time")
                        ->group("Commands")
                        ->require_subcommand(1);
  const auto options = std::make_shared<timer_options>();
  const auto run = [&globals, &chosen,
                    options](exit_code (*what)(const global_options&, const timer_options&)) {
    return [&globals, &chosen, options, what] {
      chosen = [&globals, options, what] { return what(globals, *options); };
    };
  };

  CLI::App* listing = timer->add_subcommand("list", "List the named timers that wait");
  listing->add_option("OWNER", options->owner, "Only timers of owners that begin with this")->type_name("");
  listing->footer(
      "A timer is set by publishing with --timer. A delayed record without a name is not listed.\n\n"
      "Examples:\n"
      "  skald timer list\n"
      "  skald timer list order/42 --output json");
  listing->callback(run(list));

  CLI::App* move = timer->add_subcommand("move", "Move timers to another time");
  add_names(*move, *options);
  CLI::Option* delay =
      add_parsed_option(*move, "--delay", options->delay, parse_duration, "That long from now", "DURATION");
  add_parsed_option(*move, "--at", options->at, parse_timestamp, "At that time", "TIME")->excludes(delay);
  move->footer(
      "All of the timers are moved, or none.\n\n"
      "Examples:\n"
      "  skald timer move order/42/expiry --delay 15m\n"
      "  skald timer move order/42/expiry --at 2026-12-24T18:00:00Z");
  move->callback([run, options] {
    if (!options->at && !options->delay) throw CLI::ValidationError("timer move", "give --delay or --at");
    run(change)();
  });

  CLI::App* cancel = timer->add_subcommand("cancel", "Cancel timers: their records are never delivered");
  add_names(*cancel, *options);
  cancel->footer(
      "All of the timers are cancelled, or none.\n\n"
      "Example:\n"
      "  skald timer cancel order/42/expiry");
  cancel->callback(run(change));
}

}  // namespace skald::cli
