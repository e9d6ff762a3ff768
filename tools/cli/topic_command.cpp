// skald topic create|list|describe|alter|delete
#include <unistd.h>

#include <boost/json.hpp>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/table.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

// ---- settings --------------------------------------------------------------------------------------------

template <class Parse>
auto limit_parser(Parse parse) {
  return [parse](const std::string& text) -> result<std::int64_t> {
    if (text == "unlimited") return skald::unlimited;
    auto parsed = parse(text);
    if (!parsed) return failure{parsed.error().code, parsed.error().message + ", or unlimited"};
    return static_cast<std::int64_t>(*parsed);
  };
}

result<std::uint64_t> parse_milliseconds(std::string_view text) {
  const auto parsed = parse_duration(text);
  if (!parsed) return parsed.error();
  return static_cast<std::uint64_t>(parsed->count());
}

result<std::int64_t> parse_age(const std::string& text) {
  const auto parsed = parse_duration(text);
  if (!parsed) return parsed.error();
  return static_cast<std::int64_t>(parsed->count());
}

result<std::uint32_t> parse_small_size(const std::string& text) {
  const auto parsed = parse_size(text);
  if (!parsed) return parsed.error();
  if (*parsed == 0 || *parsed > std::numeric_limits<std::uint32_t>::max()) {
    return failure{errc::invalid_request, "size '" + text + "' is not between 1 and 4 GiB"};
  }
  return static_cast<std::uint32_t>(*parsed);
}

void add_settings(CLI::App& command, topic_settings& settings) {
  command.add_option("--partitions", settings.partitions, "How many partitions; can grow, never shrink")
      ->check(whole_number(1))
      ->type_name("N");
  add_parsed_option(command, "--retention-bytes", settings.retention_bytes, limit_parser(parse_size),
                    "Keep about so much of each partition; older records go", "SIZE");
  add_parsed_option(command, "--retention", settings.retention_ms, limit_parser(parse_milliseconds),
                    "Keep records so long; older ones go", "DURATION");
  add_parsed_option(command, "--max-bytes", settings.bytes_max, limit_parser(parse_size),
                    "Refuse publishes to a partition that holds so much", "SIZE");
  add_parsed_option(command, "--max-record-bytes", settings.record_bytes_max, parse_small_size,
                    "The largest record accepted", "SIZE");
  add_parsed_option(command, "--max-batch-bytes", settings.batch_bytes_max, parse_small_size,
                    "The largest batch accepted", "SIZE");
  command
      .add_option_function<std::string>(
          "--cleanup",
          [&settings](const std::string& name) {
            settings.cleanup = name == "compact" ? topic_cleanup::compact : topic_cleanup::delete_old;
          },
          "delete: old records go, as retention says; compact: the newest of each key stays (takes --index "
          "key)")
      ->check(one_of({"delete", "compact"}))
      ->type_name("HOW");
  add_parsed_option(command, "--compact-after", settings.compact_after_ms, parse_age,
                    "Compact only what is older", "DURATION");
  add_parsed_option(command, "--keep-tombstones", settings.keep_tombstones_ms, parse_age,
                    "Compact tombstones away when they are older", "DURATION");
}

bool is_empty(const topic_settings& settings) {
  return !settings.partitions && !settings.retention_bytes && !settings.retention_ms && !settings.bytes_max &&
         !settings.record_bytes_max && !settings.batch_bytes_max && !settings.cleanup &&
         !settings.compact_after_ms && !settings.keep_tombstones_ms;
}

// ---- output ----------------------------------------------------------------------------------------------

json::value limit_json(const std::optional<std::int64_t>& limit) {
  if (!limit || *limit == skald::unlimited) return nullptr;
  return *limit;
}

std::string size_limit_text(const std::optional<std::int64_t>& limit) {
  if (!limit || *limit == skald::unlimited) return "unlimited";
  return format_size(static_cast<std::uint64_t>(*limit));
}

std::string age_limit_text(const std::optional<std::int64_t>& limit) {
  if (!limit || *limit == skald::unlimited) return "unlimited";
  return format_duration(std::chrono::milliseconds(*limit));
}

std::string timestamp_text(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

std::string index_text(const std::optional<topic_index>& index) {
  return index == topic_index::key ? "key" : "none";
}

std::string cleanup_text(const std::optional<topic_cleanup>& cleanup) {
  return cleanup == topic_cleanup::compact ? "compact" : "delete";
}

json::object to_json(const topic_info& topic) {
  const topic_settings& settings = topic.settings;
  return {{"name", topic.name},
          {"created", timestamp_text(topic.created)},
          {"records", topic.records},
          {"bytes", topic.bytes},
          {"settings",
           {{"partitions", settings.partitions.value_or(0)},
            {"retention_bytes", limit_json(settings.retention_bytes)},
            {"retention_ms", limit_json(settings.retention_ms)},
            {"bytes_max", limit_json(settings.bytes_max)},
            {"record_bytes_max", settings.record_bytes_max.value_or(0)},
            {"batch_bytes_max", settings.batch_bytes_max.value_or(0)},
            {"index", index_text(settings.index)},
            {"cleanup", cleanup_text(settings.cleanup)},
            {"compact_after_ms", settings.compact_after_ms.value_or(0)},
            {"keep_tombstones_ms", settings.keep_tombstones_ms.value_or(0)}}}};
}

void print_json(const json::value& value) {
  print(json::serialize(value) + "\n");
}

// ---- commands --------------------------------------------------------------------------------------------

exit_code list(const global_options& globals, bool names_only) {
  blocking_client broker = connect(globals);
  const std::vector<topic_info> topics = broker.list_topics();
  if (names_only) {
    std::string names;
    for (const topic_info& topic : topics) names += topic.name + "\n";
    print(names);
    return exit_code::ok;
  }
  if (globals.json) {
    json::array array;
    for (const topic_info& topic : topics) array.push_back(to_json(topic));
    print_json(array);
    return exit_code::ok;
  }
  if (topics.empty()) {
    if (!globals.quiet) complain("there are no topics; create one with: skald topic create NAME");
    return exit_code::ok;
  }
  table rows({"TOPIC", ">PARTITIONS", ">RECORDS", ">SIZE", ">RETENTION"});
  for (const topic_info& topic : topics) {
    std::string retention = age_limit_text(topic.settings.retention_ms);
    if (topic.settings.cleanup == topic_cleanup::compact) retention = "newest of each key";
    if (const std::string size = size_limit_text(topic.settings.retention_bytes); size != "unlimited") {
      if (retention == "unlimited") {
        retention = size;
      } else {
        retention.append(", ").append(size);
      }
    }
    rows.add({topic.name, format_count(topic.settings.partitions.value_or(0)), format_count(topic.records),
              format_size(topic.bytes), retention});
  }
  print(rows.text());
  return exit_code::ok;
}

exit_code describe(const global_options& globals, const std::string& name) {
  blocking_client broker = connect(globals);
  const topic_info topic = about_topic(name, [&] { return broker.describe_topic(name); });
  if (globals.json) {
    json::object object = to_json(topic);
    json::array& partitions = object["partitions"].emplace_array();
    for (const partition_info& each : topic.partitions) {
      partitions.push_back({{"partition", each.partition.value()},
                            {"log_start", each.log_start.value()},
                            {"end", each.end.value()},
                            {"bytes", each.bytes}});
    }
    print_json(object);
    return exit_code::ok;
  }
  const topic_settings& settings = topic.settings;
  table facts({"", ""});
  facts.add({"topic", topic.name});
  facts.add({"created", timestamp_text(topic.created)});
  facts.add({"records", format_count(topic.records)});
  facts.add({"size", format_size(topic.bytes)});
  facts.add({"partitions", format_count(settings.partitions.value_or(0))});
  facts.add({"retention", age_limit_text(settings.retention_ms)});
  facts.add({"retention-bytes", size_limit_text(settings.retention_bytes) + " per partition"});
  facts.add({"max-bytes", size_limit_text(settings.bytes_max) + " per partition"});
  facts.add({"index", index_text(settings.index)});
  facts.add({"cleanup", cleanup_text(settings.cleanup)});
  if (settings.cleanup == topic_cleanup::compact) {
    facts.add({"compact-after", age_limit_text(settings.compact_after_ms)});
    facts.add({"keep-tombstones", age_limit_text(settings.keep_tombstones_ms)});
  }
  facts.add({"max-record-bytes", format_size(settings.record_bytes_max.value_or(0))});
  facts.add({"max-batch-bytes", format_size(settings.batch_bytes_max.value_or(0))});
  table rows({">PARTITION", ">START", ">END", ">RECORDS", ">SIZE"});
  for (const partition_info& each : topic.partitions) {
    rows.add({std::to_string(each.partition.value()), std::to_string(each.log_start.value()),
              std::to_string(each.end.value()), format_count(each.end - each.log_start),
              format_size(each.bytes)});
  }
  print(facts.text() + "\n" + rows.text());
  return exit_code::ok;
}

// Says what was done: to programs as json, to people unless they want it quiet.
exit_code done(const global_options& globals, std::string_view verb, const std::string& name) {
  if (globals.json) {
    print_json({{"topic", name}, {"done", verb}});
  } else if (!globals.quiet && ::isatty(STDOUT_FILENO) == 1) {
    print(std::string(verb) + " topic '" + name + "'\n");
  }
  return exit_code::ok;
}

exit_code remove(const global_options& globals, const std::string& name, bool yes) {
  blocking_client broker = connect(globals);
  if (!yes && ::isatty(STDIN_FILENO) == 1) {
    const topic_info topic = about_topic(name, [&] { return broker.describe_topic(name); });
    if (!agrees("Delete topic '" + name + "' with its " + format_count(topic.records) +
                " records for good?")) {
      throw command_error(exit_code::failed, "topic '" + name + "' was not deleted");
    }
  }
  about_topic(name, [&] { broker.delete_topic(name); });
  return done(globals, "deleted", name);
}

struct topic_options {
  std::string name;
  topic_settings settings;
  bool if_absent = false;
  bool names_only = false;
  bool yes = false;
};

CLI::App* add_command(CLI::App& topic, const std::string& name, const std::string& description,
                      const std::string& footer) {
  CLI::App* command = topic.add_subcommand(name, description)->group("Commands");
  command->footer(footer);
  return command;
}

void add_name(CLI::App& command, topic_options& options) {
  command.add_option("NAME", options.name, "The topic")->required()->type_name("");
}

}  // namespace

void add_topic_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* topic =
      app.add_subcommand("topic", "Create, list, describe, alter and delete topics")->group("Commands");
  topic->require_subcommand(1);
  topic->footer(
      "Examples:\n"
      "  skald topic create orders --partitions 8 --retention 7d\n"
      "  skald topic list --output json\n"
      "  skald topic COMMAND --help   says all about one of them");
  const auto options = std::make_shared<topic_options>();

  CLI::App* create = add_command(*topic, "create", "Create a topic",
                                 "Sizes are written as 512KiB or 10GB, durations as 7d or 1h30m; each may be "
                                 "unlimited where it is a\nlimit on what is kept.\n\n"
                                 "Examples:\n"
                                 "  skald topic create orders\n"
                                 "  skald topic create orders --partitions 8 --retention 7d\n"
                                 "  skald topic create metrics --retention-bytes 1GiB --if-absent\n"
                                 "  skald topic create customers --index key --cleanup compact");
  add_name(*create, *options);
  add_settings(*create, options->settings);
  create
      ->add_option_function<std::string>(
          "--index",
          [options](const std::string& name) {
            options->settings.index = name == "key" ? topic_index::key : topic_index::none;
          },
          "key: records can be read and counted by key; fixed for good [none]")
      ->check(one_of({"none", "key"}))
      ->type_name("WHAT");
  create->add_flag("--if-absent", options->if_absent, "A topic that exists already is fine");
  create->callback([&globals, &chosen, options] {
    chosen = [&globals, options] {
      blocking_client broker = connect(globals);
      about_topic(options->name, [&] {
        broker.create_topic(options->name, options->settings, {.if_absent = options->if_absent});
      });
      return done(globals, "created", options->name);
    };
  });

  CLI::App* all = add_command(*topic, "list", "List all topics",
                              "Examples:\n"
                              "  skald topic list\n"
                              "  skald topic list --names\n"
                              "  skald topic list --output json | jq '.[] | select(.records > 0)'");
  all->add_flag("--names", options->names_only, "Only the names, one a line");
  all->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return list(globals, options->names_only); };
  });

  CLI::App* about = add_command(*topic, "describe", "Show the settings and partitions of a topic",
                                "Example:\n  skald topic describe orders");
  add_name(*about, *options);
  about->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return describe(globals, options->name); };
  });

  CLI::App* alter = add_command(*topic, "alter", "Change settings of a topic",
                                "Settings that are not given stay as they are.\n\n"
                                "Examples:\n"
                                "  skald topic alter orders --retention 30d\n"
                                "  skald topic alter orders --partitions 16\n"
                                "  skald topic alter orders --retention-bytes unlimited");
  add_name(*alter, *options);
  add_settings(*alter, options->settings);
  alter->callback([&globals, &chosen, options] {
    if (is_empty(options->settings)) throw CLI::RequiredError("a setting");
    chosen = [&globals, options] {
      blocking_client broker = connect(globals);
      about_topic(options->name, [&] { broker.alter_topic(options->name, options->settings); });
      return done(globals, "altered", options->name);
    };
  });

  CLI::App* erase = add_command(*topic, "delete", "Delete a topic with all its records",
                                "Asks before, if standard input is a terminal.\n\n"
                                "Example:\n  skald topic delete orders --yes");
  add_name(*erase, *options);
  erase->add_flag("-y,--yes", options->yes, "Do not ask");
  erase->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return remove(globals, options->name, options->yes); };
  });
}

}  // namespace skald::cli
