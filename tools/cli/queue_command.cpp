// skald queue create|list|describe|alter|peek|retry|purge|delete
#include <unistd.h>

#include <boost/json.hpp>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/queue_output.hpp"
#include "tools/cli/table.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

struct queue_options {
  queue_target target;
  std::optional<milliseconds> lease;
  std::optional<std::uint32_t> max_attempts;
  std::optional<milliseconds> backoff_min;
  std::optional<milliseconds> backoff_max;
  bool ordered = false;
  bool not_ordered = false;
  std::optional<std::string> dead_letter;
  bool if_absent = false;
  bool only_new = false;
  bool yes = false;
  bool dry_run = false;
  std::uint64_t count = 20;

  queue_settings settings() const {
    queue_settings is{lease, max_attempts, backoff_min, backoff_max, {}, {}};
    if (ordered || not_ordered) is.ordered_by_key = ordered;
    if (dead_letter) is.dead_letter = *dead_letter;
    return is;
  }
};

std::string timestamp_text(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

json::object to_json(const queue_info& queue) {
  return {{"topic", queue.topic},
          {"queue", queue.queue},
          {"created", timestamp_text(queue.created)},
          {"ready", queue.ready},
          {"leased", queue.leased},
          {"parked", queue.parked},
          {"dead", queue.dead},
          {"consumers", queue.consumers},
          {"settings",
           {{"lease_ms", queue.lease.count()},
            {"max_attempts", queue.max_attempts},
            {"backoff_min_ms", queue.backoff_min.count()},
            {"backoff_max_ms", queue.backoff_max.count()},
            {"ordered_by_key", queue.ordered_by_key},
            {"dead_letter", queue.dead_letter}}}};
}

// Says what was done: to programs as json, to people unless they want it quiet.
exit_code done(const global_options& globals, std::string_view verb, const queue_target& target) {
  if (globals.json) {
    print(json::serialize(json::object{{"topic", target.topic}, {"queue", target.queue}, {"done", verb}}) +
          "\n");
  } else if (!globals.quiet && ::isatty(STDOUT_FILENO) == 1) {
    print(std::string(verb) + " queue '" + target.queue + "' of topic '" + target.topic + "'\n");
  }
  return exit_code::ok;
}

exit_code create(const global_options& globals, const queue_options& options) {
  blocking_client broker = connect(globals);
  about_topic(options.target.topic, [&] {
    broker.create_queue(options.target.topic, options.target.queue, options.settings(),
                        {.if_absent = options.if_absent, .only_new_records = options.only_new});
  });
  return done(globals, "created", options.target);
}

exit_code alter(const global_options& globals, const queue_options& options) {
  blocking_client broker = connect(globals);
  about_queue(options.target,
              [&] { broker.alter_queue(options.target.topic, options.target.queue, options.settings()); });
  return done(globals, "altered", options.target);
}

exit_code list(const global_options& globals, const std::string& topic) {
  blocking_client broker = connect(globals);
  const std::vector<queue_info> queues = broker.list_queues(topic);
  if (globals.json) {
    json::array array;
    for (const queue_info& queue : queues) array.push_back(to_json(queue));
    print(json::serialize(array) + "\n");
    return exit_code::ok;
  }
  if (queues.empty()) {
    if (!globals.quiet) complain("there are no queues; create one with: skald queue create TOPIC QUEUE");
    return exit_code::ok;
  }
  table rows({"TOPIC", "QUEUE", ">READY", ">LEASED", ">PARKED", ">DEAD", ">CONSUMERS"});
  for (const queue_info& queue : queues)
    rows.add({queue.topic, queue.queue, format_count(queue.ready), format_count(queue.leased),
              format_count(queue.parked), format_count(queue.dead), format_count(queue.consumers)});
  print(rows.text());
  return exit_code::ok;
}

// When the oldest record that is not settled was published.
std::optional<timestamp> oldest(blocking_client& broker, const queue_target& target) {
  std::optional<timestamp> found;
  const queue_info queue = broker.describe_queue(target.topic, target.queue);
  for (const queue_partition& partition : queue.partitions) {
    const peeked_records first = broker.peek_queue(target.topic, target.queue, partition.partition,
                                                   {.from = partition.floor, .limit = 1});
    for (const peeked_record& one : first.records)
      if (!found || one.record.time() < *found) found = one.record.time();
  }
  return found;
}

exit_code describe(const global_options& globals, const queue_target& target) {
  blocking_client broker = connect(globals);
  const queue_info queue =
      about_queue(target, [&] { return broker.describe_queue(target.topic, target.queue); });
  const std::optional<timestamp> since = oldest(broker, target);
  if (globals.json) {
    json::object object = to_json(queue);
    object["oldest"] = since ? json::value(timestamp_text(*since)) : json::value(nullptr);
    json::array& partitions = object["partitions"].emplace_array();
    for (const queue_partition& each : queue.partitions)
      partitions.push_back({{"partition", each.partition.value()},
                            {"floor", each.floor.value()},
                            {"end", each.end.value()},
                            {"settled_above", each.settled_above}});
    print(json::serialize(object) + "\n");
    return exit_code::ok;
  }
  table facts({"", ""});
  facts.add({"topic", queue.topic});
  facts.add({"queue", queue.queue});
  facts.add({"created", timestamp_text(queue.created)});
  facts.add({"consumers", format_count(queue.consumers)});
  facts.add({"ready", format_count(queue.ready)});
  facts.add({"leased", format_count(queue.leased)});
  facts.add({"parked", format_count(queue.parked)});
  facts.add({"dead", format_count(queue.dead) + " in " + queue.dead_letter});
  facts.add({"oldest", since ? timestamp_text(*since) : "-"});
  facts.add({"lease", format_duration(queue.lease)});
  facts.add({"max-attempts", format_count(queue.max_attempts)});
  facts.add({"backoff", format_duration(queue.backoff_min) + " to " + format_duration(queue.backoff_max)});
  facts.add({"ordered-by-key", queue.ordered_by_key ? "yes" : "no"});
  table rows({">PARTITION", ">FLOOR", ">END", ">UNSETTLED"});
  for (const queue_partition& each : queue.partitions)
    rows.add({std::to_string(each.partition.value()), std::to_string(each.floor.value()),
              std::to_string(each.end.value()), format_count(each.end - each.floor - each.settled_above)});
  print(facts.text() + "\n" + rows.text());
  return exit_code::ok;
}

exit_code peek(const global_options& globals, const queue_options& options) {
  blocking_client broker = connect(globals);
  std::string lines;
  table rows({">PARTITION", ">OFFSET", ">ATTEMPTS", "DUE", "KEY", "VALUE", "REASON"});
  std::uint64_t shown = 0;
  about_queue(options.target, [&] {
    for_each_unsettled(broker, options.target, [&](const peeked_record& one) {
      if (shown == options.count) return false;
      ++shown;
      if (globals.json) {
        lines += to_json_line(options.target.topic, one);
      } else {
        rows.add({std::to_string(one.record.partition().value()), std::to_string(one.record.offset().value()),
                  format_count(one.attempts), one.due ? timestamp_text(*one.due) : "-",
                  cell(one.record.key()), cell(one.record.value()),
                  one.reason.empty() ? "-" : cell(one.reason)});
      }
      return true;
    });
  });
  if (globals.json) {
    print(lines);
  } else if (shown > 0) {
    print(rows.text());
  } else if (!globals.quiet) {
    complain("queue '" + options.target.queue + "' is empty");
  }
  return exit_code::ok;
}

exit_code retry(const global_options& globals, const queue_target& target) {
  blocking_client broker = connect(globals);
  return changed(globals, target, "made due",
                 about_queue(target, [&] { return broker.retry_queue(target.topic, target.queue); }));
}

exit_code purge(const global_options& globals, const queue_options& options) {
  const queue_target& target = options.target;
  blocking_client broker = connect(globals);
  const std::uint64_t records =
      about_queue(target, [&] { return broker.purge_queue(target.topic, target.queue, {.dry_run = true}); });
  if (options.dry_run) return changed(globals, target, "settled", records, true);
  confirm(options.yes, "Settle all " + format_count(records) + " records of queue '" + target.queue +
                           "', whoever has them?");
  return changed(globals, target, "settled",
                 about_queue(target, [&] { return broker.purge_queue(target.topic, target.queue); }));
}

exit_code remove(const global_options& globals, const queue_options& options) {
  const queue_target& target = options.target;
  blocking_client broker = connect(globals);
  if (!options.yes && ::isatty(STDIN_FILENO) == 1)
    confirm(false, "Delete queue '" + target.queue + "' of topic '" + target.topic + "'?");
  about_queue(target, [&] { broker.delete_queue(target.topic, target.queue); });
  return done(globals, "deleted", target);
}

void add_settings(CLI::App& command, queue_options& options) {
  add_parsed_option(command, "--lease", options.lease, parse_duration,
                    "How long a consumer may take for a record before another gets it [30s]", "DURATION");
  command.add_option("--max-attempts", options.max_attempts, "Then a record goes to the dead letters [10]")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  add_parsed_option(command, "--backoff-min", options.backoff_min, parse_duration,
                    "Before the second attempt; doubles with each [1s]", "DURATION");
  add_parsed_option(command, "--backoff-max", options.backoff_max, parse_duration,
                    "The longest time between attempts [1m]", "DURATION");
  command.add_flag("--ordered-by-key", options.ordered,
                   "Records of a key wait until earlier ones are settled");
  command.add_option("--dead-letter", options.dead_letter, "Where dead letters go [TOPIC.QUEUE.dead]")
      ->type_name("TOPIC");
}

CLI::App* add_command(CLI::App& queue, queue_options& options, const std::string& name,
                      const std::string& description, const std::string& footer) {
  CLI::App* command = queue.add_subcommand(name, description)->group("Commands");
  command->footer(footer);
  command->add_option("TOPIC", options.target.topic, "The topic")->required()->type_name("");
  command->add_option("QUEUE", options.target.queue, "The queue")->required()->type_name("");
  return command;
}

}  // namespace

void add_queue_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* queue =
      app.add_subcommand("queue", "Create, list, look into, retry, purge and delete work queues")
          ->group("Commands");
  queue->require_subcommand(1);
  queue->footer(
      "A queue shares a topic's records among consumers, one by one, with acknowledgements; see "
      "skald-queue(1).\n\n"
      "Examples:\n"
      "  skald queue create orders billing --lease 1m --max-attempts 5\n"
      "  skald sub orders --queue billing\n"
      "  skald queue list\n"
      "  skald queue COMMAND --help   says all about one of them");
  const auto options = std::make_shared<queue_options>();
  const auto choose = [&globals, &chosen, options](CLI::App* command, auto run) {
    command->callback([&globals, &chosen, options, run] {
      chosen = [&globals, options, run] { return run(globals, *options); };
    });
  };

  CLI::App* made = add_command(*queue, *options, "create", "Create a queue of a topic",
                               "Examples:\n"
                               "  skald queue create orders billing\n"
                               "  skald queue create orders mail --ordered-by-key --only-new");
  add_settings(*made, *options);
  made->add_flag("--if-absent", options->if_absent, "A queue that exists already is fine");
  made->add_flag("--only-new", options->only_new, "Leave out what the topic holds already");
  choose(made, [](const auto& g, const auto& o) { return create(g, o); });

  CLI::App* all = queue->add_subcommand("list", "List queues")->group("Commands");
  all->footer("Examples:\n  skald queue list\n  skald queue list orders --output json");
  all->add_option("TOPIC", options->target.topic, "Only those of this topic")->type_name("");
  choose(all, [](const auto& g, const auto& o) { return list(g, o.target.topic); });

  CLI::App* about = add_command(*queue, *options, "describe", "Show a queue's settings and how much is in it",
                                "Example:\n  skald queue describe orders billing");
  choose(about, [](const auto& g, const auto& o) { return describe(g, o.target); });

  CLI::App* altered = add_command(*queue, *options, "alter", "Change settings of a queue",
                                  "Settings that are not given stay as they are.\n\n"
                                  "Example:\n  skald queue alter orders billing --lease 5m");
  add_settings(*altered, *options);
  altered->add_flag("--not-ordered", options->not_ordered, "No longer ordered by key");
  choose(altered, [](const auto& g, const auto& o) { return alter(g, o); });

  CLI::App* looked = add_command(*queue, *options, "peek", "Show records without taking them",
                                 "Example:\n  skald queue peek orders billing --count 5");
  looked->add_option("-n,--count", options->count, "At most so many [20]")->type_name("N");
  choose(looked, [](const auto& g, const auto& o) { return peek(g, o); });

  CLI::App* again =
      add_command(*queue, *options, "retry", "Make records that wait for their next attempt due now",
                  "Example:\n  skald queue retry orders billing");
  choose(again, [](const auto& g, const auto& o) { return retry(g, o.target); });

  CLI::App* emptied = add_command(*queue, *options, "purge", "Settle all records of a queue",
                                  "Examples:\n"
                                  "  skald queue purge orders billing --dry-run\n"
                                  "  skald queue purge orders billing --yes");
  emptied->add_flag("-y,--yes", options->yes, "Do not ask");
  emptied->add_flag("--dry-run", options->dry_run, "Only say how many there are");
  choose(emptied, [](const auto& g, const auto& o) { return purge(g, o); });

  CLI::App* erased = add_command(*queue, *options, "delete", "Delete a queue; the topic's records stay",
                                 "Asks before, if standard input is a terminal.\n\n"
                                 "Example:\n  skald queue delete orders billing --yes");
  erased->add_flag("-y,--yes", options->yes, "Do not ask");
  choose(erased, [](const auto& g, const auto& o) { return remove(g, o); });
}

}  // namespace skald::cli
