// skald saga list|show|retry|skip|compensate|abort
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <skald/saga/engine.hpp>
#include <skald/saga/messages.hpp>
#include <string_view>
#include <thread>
#include <utility>

#include "tools/cli/command.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/saga_source.hpp"
#include "tools/cli/saga_text.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;
using sagas::ordered;

struct saga_options {
  std::string orchestrator;
  std::vector<std::string> states;
  std::optional<std::chrono::milliseconds> older_than;
  std::vector<std::string> ids;
  bool diagram = false;
};

// ---- finding ---------------------------------------------------------------------------------------------

std::vector<std::string> orchestrators(blocking_client& broker, const saga_options& options) {
  return options.orchestrator.empty() ? list_orchestrators(broker) : std::vector{options.orchestrator};
}

found_saga find(blocking_client& broker, const saga_options& options, const std::string& id) {
  for (const std::string& one : orchestrators(broker, options))
    if (std::optional<found_saga> found = find_saga(broker, one, id)) return *std::move(found);
  throw command_error(
      exit_code::failed,
      "saga '" + printable(id) + "': there is none" +
          (options.orchestrator.empty() ? std::string() : " of orchestrator '" + options.orchestrator + "'") +
          "; see: skald saga list");
}

bool is_wanted(const saga_options& options, const sagas::instance& of, timestamp now) {
  if (options.older_than && now - of.started < *options.older_than) return false;
  if (options.states.empty()) return true;
  return std::ranges::any_of(options.states, [&](const std::string& state) {
    return state == "unfinished" ? !sagas::is_final(of.phase) : state == sagas::to_string(of.phase);
  });
}

// ---- the commands ----------------------------------------------------------------------------------------

exit_code list(const global_options& globals, const saga_options& options) {
  blocking_client broker = connect(globals);
  const timestamp now = broker.status().now;
  std::vector<found_saga> all;
  for (const std::string& orchestrator : orchestrators(broker, options))
    for_each_saga(broker, orchestrator, [&](found_saga found) {
      if (is_wanted(options, found.state, now)) all.push_back(std::move(found));
    });
  std::ranges::sort(all, {}, [](const found_saga& one) {
    return std::pair(one.state.started, std::string_view(one.state.id));
  });
  if (globals.json) {
    json::array array;
    for (const found_saga& one : all) array.push_back(to_json(one));
    print(json::serialize(array) + "\n");
    return exit_code::ok;
  }
  if (all.empty()) {
    if (!globals.quiet) complain("no such sagas");
    return exit_code::ok;
  }
  print(list_text(all, now));
  return exit_code::ok;
}

std::vector<timeline_entry> timeline_of(blocking_client& broker, const found_saga& of) {
  const std::string topic = sagas::sagas_topic(of.orchestrator);
  std::vector<timeline_entry> all;
  for (std::uint64_t from = 1; from <= of.version;) {
    const key_records some = broker.read_key(topic, of.state.id, {.from_version = from});
    for (const record& one : some.records)
      all.push_back({sagas::instance_of(one).changed, std::string(sagas::event_of(one))});
    if (some.versions.empty()) break;
    from = some.versions.back() + 1;
  }
  return all;
}

exit_code show(const global_options& globals, const saga_options& options) {
  blocking_client broker = connect(globals);
  const found_saga of = find(broker, options, options.ids.front());
  if (options.diagram) {
    const std::string topic = sagas::definitions_topic(of.orchestrator);
    const std::string key = sagas::definition_key(of.state.definition, of.state.version);
    const key_records found =
        about_topic(topic, [&] { return broker.read_key(topic, key, {.latest = true}); });
    for (const record& one : found.records) print(one.value().value_or(""));
    return exit_code::ok;
  }
  const std::vector<timeline_entry> timeline = timeline_of(broker, of);
  if (globals.json) {
    json::object shown = to_json(of);
    shown["timeline"] = to_json(timeline);
    print(json::serialize(shown) + "\n");
    return exit_code::ok;
  }
  print(show_text(of, timeline, broker.status().now));
  return exit_code::ok;
}

// Waits for the orchestrator to have carried the order out.
exit_code order_one(blocking_client& broker, const global_options& globals, const found_saga& of,
                    ordered::order what) {
  const std::string& id = of.state.id;
  const std::string word(sagas::to_string(what));
  if (const std::string why = sagas::why_not(of.state, what); !why.empty())
    throw command_error(exit_code::failed, "saga '" + printable(id) + "': cannot " + word + ": " + why);
  const std::array with{header{sagas::headers::kind, "order"},
                        header{tracing::correlation_id_header, of.state.correlation}};
  broker.publish(sagas::inputs_topic(of.orchestrator), {.key = id, .value = word, .headers = with});
  const auto deadline = std::chrono::steady_clock::now() + globals.timeout;
  std::optional<found_saga> now = of;
  while (now && now->version == of.version) {
    if (std::chrono::steady_clock::now() > deadline)
      throw command_error(exit_code::timed_out, "saga '" + printable(id) + "': the order is stored, but no " +
                                                    "orchestrator has carried it out yet: is '" +
                                                    of.orchestrator + "' running?");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    now = find_saga(broker, of.orchestrator, id);
  }
  if (!globals.quiet && now)
    print(printable(id) + " is " + std::string(sagas::to_string(now->state.phase)) + "\n");
  return exit_code::ok;
}

exit_code order(const global_options& globals, const saga_options& options, ordered::order what) {
  blocking_client broker = connect(globals);
  for (const std::string& id : options.ids) order_one(broker, globals, find(broker, options, id), what);
  return exit_code::ok;
}

void add_orchestrator(CLI::App& command, saga_options& options) {
  command.add_option("--orchestrator", options.orchestrator, "Only of this one [all]")->type_name("NAME");
}

struct order_help {
  ordered::order what;
  const char* description;
  const char* footer;
};

constexpr order_help orders[] = {
    {ordered::order::retry, "Try anew what has failed",
     "A parked saga goes on where it was, with all its attempts; one that waits for its next attempt does "
     "not\n"
     "wait any longer. A command of unknown outcome keeps its id, so that it is done once.\n\n"
     "Examples:\n"
     "  skald saga retry order-42"},
    {ordered::order::skip, "Take what has failed as dealt with",
     "A parked saga goes on behind the step, or the compensation, that has failed.\n\n"
     "Examples:\n"
     "  skald saga skip order-42"},
    {ordered::order::compensate, "Turn a saga back: undo what is done, or may have been",
     "Not once its pivot is done.\n\n"
     "Examples:\n"
     "  skald saga compensate order-42"},
    {ordered::order::abort, "End a saga as it is, without undoing anything",
     "Examples:\n"
     "  skald saga abort order-42"}};

}  // namespace

void add_saga_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* saga = app.add_subcommand("saga", "Look after sagas")->group("Commands")->require_subcommand(1);
  const auto options = std::make_shared<saga_options>();

  CLI::App* listing = saga->add_subcommand("list", "List sagas, the oldest first");
  add_orchestrator(*listing, *options);
  listing->add_option("--state", options->states, "Only those in one of these states")
      ->check(
          one_of({"running", "compensating", "parked", "completed", "compensated", "aborted", "unfinished"}))
      ->delimiter(',')
      ->type_name("STATE");
  add_parsed_option(*listing, "--older-than", options->older_than, parse_duration,
                    "Only those that began so long ago", "DURATION");
  listing->footer(
      "A state is running, compensating, parked, completed, compensated, aborted, or unfinished: any of the\n"
      "first three. Parked sagas need somebody: skald saga show says why.\n\n"
      "Examples:\n"
      "  skald saga list --state parked\n"
      "  skald saga list --state unfinished --older-than 5m --output json");
  listing->callback(
      [&globals, &chosen, options] { chosen = [&globals, options] { return list(globals, *options); }; });

  CLI::App* showing = saga->add_subcommand("show", "Show a saga: its steps and its timeline");
  showing->add_option("ID", options->ids, "The saga")->required()->expected(1)->type_name("");
  add_orchestrator(*showing, *options);
  showing->add_flag("--diagram", options->diagram, "Its definition instead, as a Mermaid flowchart");
  showing->footer(
      "Examples:\n"
      "  skald saga show order-42\n"
      "  skald saga show order-42 --diagram > create-order.mmd");
  showing->callback(
      [&globals, &chosen, options] { chosen = [&globals, options] { return show(globals, *options); }; });

  for (const order_help& one : orders) {
    CLI::App* command = saga->add_subcommand(std::string(sagas::to_string(one.what)), one.description);
    command->add_option("ID", options->ids, "The sagas")->required()->type_name("");
    add_orchestrator(*command, *options);
    command->footer(one.footer);
    command->callback([&globals, &chosen, options, what = one.what] {
      chosen = [&globals, options, what] { return order(globals, *options, what); };
    });
  }
}

}  // namespace skald::cli
