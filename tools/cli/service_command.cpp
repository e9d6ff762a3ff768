// skald service list|info|ping|stats|watch
#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <mutex>
#include <optional>

#include "tools/cli/command.hpp"
#include "tools/cli/interrupts.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/service_text.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

struct service_command_options {
  std::string subject;
  bool names_only = false;
  std::uint32_t count = 1;
  std::optional<std::uint64_t> events_max;
};

// ---- output ----------------------------------------------------------------------------------------------

std::string timestamp_text(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

std::string metadata_text(const string_map& metadata) {
  std::string text;
  for (const auto& [name, value] : metadata) {
    if (!text.empty()) text += ',';
    text.append(name).append("=").append(value);
  }
  return printable(text, 60);
}

json::object to_json(const service_statistics& is) {
  return {{"requests", is.requests},
          {"replies", is.replies},
          {"failed", is.failed},
          {"lost", is.lost},
          {"expired", is.expired},
          {"cancelled", is.cancelled},
          {"late", is.late},
          {"in_flight", is.in_flight},
          {"waiting", is.waiting},
          {"latency_us",
           {{"p50", is.latency_p50.count()},
            {"p90", is.latency_p90.count()},
            {"p99", is.latency_p99.count()},
            {"max", is.latency_max.count()}}}};
}

json::object to_json(const instance_info& is) {
  json::object metadata;
  for (const auto& [name, value] : is.metadata) metadata[name] = value;
  return {{"instance", is.id},
          {"version", is.version},
          {"metadata", metadata},
          {"state", to_string(is.state)},
          {"since", timestamp_text(is.since)},
          {"window", is.window}};
}

json::object to_json(const service_info& is) {
  json::object object{{"subject", is.subject}, {"statistics", to_json(is.statistics)}};
  json::array& instances = object["instances"].emplace_array();
  for (const instance_info& one : is.instances) {
    json::object instance = to_json(one);
    instance["statistics"] = to_json(one.statistics);
    instances.push_back(std::move(instance));
  }
  return object;
}

void print_json(const json::value& value) {
  print(json::serialize(value) + "\n");
}

// ---- commands --------------------------------------------------------------------------------------------

std::vector<service_info> services_of(const global_options& globals, const std::string& subject) {
  blocking_client broker = connect(globals);
  auto services = broker.list_services({.subject = subject});
  if (!subject.empty() && services.empty()) {
    throw about_subject(subject, error(errc::no_responders, "nobody serves '" + printable(subject) + "'"));
  }
  return services;
}

exit_code list(const global_options& globals, bool names_only) {
  const auto services = services_of(globals, "");
  if (globals.json && !names_only) {
    json::array array;
    for (const service_info& one : services) array.push_back(to_json(one));
    print_json(array);
    return exit_code::ok;
  }
  if (names_only) {
    std::string names;
    for (const service_info& one : services) names += one.subject + "\n";
    print(names);
    return exit_code::ok;
  }
  if (services.empty()) {
    if (!globals.quiet) complain("there are no services; start one with: skald serve SUBJECT -- COMMAND");
    return exit_code::ok;
  }
  table rows({"SERVICE", ">INSTANCES", ">HEALTHY", ">REQUESTS", ">ERRORS", ">IN FLIGHT", ">P50", ">P99"});
  for (const service_info& one : services) {
    const auto healthy = std::ranges::count(one.instances, instance_state::healthy, &instance_info::state);
    const service_statistics& is = one.statistics;
    rows.add({one.subject, format_count(one.instances.size()),
              format_count(static_cast<std::uint64_t>(healthy)), format_count(is.requests),
              format_count(is.errors()), format_count(is.in_flight), duration_text(is.latency_p50),
              duration_text(is.latency_p99)});
  }
  print(rows.text());
  return exit_code::ok;
}

exit_code info(const global_options& globals, const std::string& subject) {
  const service_info service = services_of(globals, subject).front();
  if (globals.json) {
    print_json(to_json(service));
    return exit_code::ok;
  }
  table facts({"", ""});
  facts.add({"service", service.subject});
  facts.add({"instances", format_count(service.instances.size())});
  facts.add({"waiting", format_count(service.statistics.waiting) + " requests"});
  table rows({"INSTANCE", "STATE", "VERSION", ">WINDOW", ">IN FLIGHT", "SINCE", "METADATA"});
  for (const instance_info& one : service.instances) {
    rows.add({one.id, std::string(to_string(one.state)), printable(one.version), format_count(one.window),
              format_count(one.statistics.in_flight), timestamp_text(one.since),
              metadata_text(one.metadata)});
  }
  print(facts.text() + "\n" + rows.text());
  return exit_code::ok;
}

exit_code stats(const global_options& globals, const std::string& subject) {
  const auto services = services_of(globals, subject);
  if (globals.json) {
    json::array array;
    for (const service_info& one : services) array.push_back(to_json(one));
    print_json(array);
    return exit_code::ok;
  }
  table rows({"SERVICE", "INSTANCE", ">REQUESTS", ">REPLIES", ">FAILED", ">LOST", ">EXPIRED", ">CANCELLED",
              ">LATE", ">IN FLIGHT", ">P50", ">P90", ">P99", ">MAX"});
  const auto add = [&](const std::string& name, const std::string& instance, const service_statistics& is) {
    rows.add({name, instance, format_count(is.requests), format_count(is.replies), format_count(is.failed),
              format_count(is.lost), format_count(is.expired), format_count(is.cancelled),
              format_count(is.late), format_count(is.in_flight), duration_text(is.latency_p50),
              duration_text(is.latency_p90), duration_text(is.latency_p99), duration_text(is.latency_max)});
  };
  for (const service_info& one : services) {
    add(one.subject, "all", one.statistics);
    for (const instance_info& each : one.instances) add(one.subject, each.id, each.statistics);
  }
  print(rows.text());
  return exit_code::ok;
}

exit_code ping(const global_options& globals, const std::string& subject, std::uint32_t count) {
  blocking_client broker = connect(globals);
  bool silent = false;
  for (std::uint32_t sent = 0; sent < count; ++sent) {
    auto all = about_service(subject, [&] { return broker.request_all(subject, "", {.ping = true}); });
    std::ranges::sort(all, {}, &instance_reply::instance);
    for (const instance_reply& one : all) {
      silent |= one.code != errc::ok;
      if (globals.json) {
        json::object object{{"instance", one.instance}, {"round_trip_us", one.took.count()}};
        if (one.code == errc::ok) {
          object["error"] = nullptr;
        } else {
          object["error"] = to_string(one.code);
        }
        print_json(object);
      } else if (one.code == errc::ok) {
        print("answer from " + one.instance + " in " +
              format_count(static_cast<std::uint64_t>(one.took.count())) + " us\n");
      } else {
        print("no answer from " + one.instance + ": " + printable(one.message, 400) + "\n");
      }
    }
  }
  return silent ? exit_code::failed : exit_code::ok;
}

void print_event(const global_options& globals, const service_event& event) {
  if (globals.json) {
    json::object object = to_json(event.instance);
    object["subject"] = event.subject;
    object["initial"] = event.initial;
    object["reason"] = event.reason;
    return print_json(object);
  }
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  const std::string reason = event.reason.empty() ? "" : " (" + event.reason + ")";
  print(timestamp_text(now) + " " + event.subject + " " + event.instance.id + " " +
        std::string(to_string(event.instance.state)) + reason + "\n");
}

exit_code watch(const global_options& globals, const service_command_options& options) {
  // The watch is set before the handler may run, and closed from the handler's thread.
  blocking_service_watch events;
  std::mutex mutex;  // guards `open`: whether `events` may be closed
  bool open = false;
  interrupts stopping(
      [&] {
        const std::lock_guard lock(mutex);
        if (open) events.close();
      },
      true);
  blocking_client broker = connect(globals);
  auto begun = broker.watch_services({.subject = options.subject});
  {
    const std::lock_guard lock(mutex);
    events = std::move(begun);
    open = true;
  }
  try {
    for (std::uint64_t seen = 0; !options.events_max || seen < *options.events_max; ++seen) {
      if (stopping.reason()) break;
      print_event(globals, events.receive());
    }
  } catch (const error& failed) {
    if (failed.code() != errc::closed || !stopping.reason()) throw;
  }
  {
    const std::lock_guard lock(mutex);
    open = false;
  }
  return stopping.reason().value_or(exit_code::ok);
}

CLI::App* add_command(CLI::App& to, const std::string& name, const std::string& text,
                      const std::string& footer) {
  CLI::App* command = to.add_subcommand(name, text);
  command->footer(footer);
  return command;
}

}  // namespace

void add_service_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* service =
      app.add_subcommand("service", "List, inspect, ping and watch services")->group("Commands");
  service->require_subcommand(1);
  service->footer("Examples:\n  skald service list\n  skald service watch price");
  const auto options = std::make_shared<service_command_options>();

  CLI::App* all = add_command(*service, "list", "List all services",
                              "Examples:\n  skald service list\n"
                              "  skald service list --output json | jq '.[].subject'");
  all->add_flag("--names", options->names_only, "Only the names, one a line");
  all->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return list(globals, options->names_only); };
  });

  CLI::App* about = add_command(*service, "info", "Show the instances of a service",
                                "Example:\n  skald service info price");
  about->add_option("SUBJECT", options->subject, "The service")->required()->type_name("");
  about->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return info(globals, options->subject); };
  });

  CLI::App* probe = add_command(*service, "ping", "Measure how fast each instance of a service answers",
                                "Handlers do not notice. Exits with 1 if an instance does not answer.\n\n"
                                "Examples:\n  skald service ping price\n"
                                "  skald service ping price --count 10 --timeout 1s");
  probe->add_option("SUBJECT", options->subject, "The service")->required()->type_name("");
  probe->add_option("--count", options->count, "How many times, one after the other [1]")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  probe->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return ping(globals, options->subject, options->count); };
  });

  CLI::App* figures = add_command(*service, "stats", "Show counters and latencies, by instance",
                                  "Latencies are those of replies; at most a quarter too large.\n\n"
                                  "Examples:\n  skald service stats\n"
                                  "  skald service stats price --output json | jq '.[0].statistics'");
  figures->add_option("SUBJECT", options->subject, "Only this service")->type_name("");
  figures->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return stats(globals, options->subject); };
  });

  CLI::App* changes = add_command(*service, "watch", "Write every instance that comes, changes or leaves",
                                  "It begins with those that are there.\n\n"
                                  "Examples:\n  skald service watch\n"
                                  "  skald service watch price --output json | jq -r .state");
  changes->add_option("SUBJECT", options->subject, "Only this service")->type_name("");
  changes->add_option("-n,--count", options->events_max, "End after so many events")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  changes->callback(
      [&globals, &chosen, options] { chosen = [&globals, options] { return watch(globals, *options); }; });
}

}  // namespace skald::cli
