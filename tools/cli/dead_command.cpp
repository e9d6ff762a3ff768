// skald dead list|show|retry|drop
#include <boost/json.hpp>
#include <map>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/queue_output.hpp"
#include "tools/cli/table.hpp"

namespace skald::cli {
namespace {

constexpr std::size_t records_per_request = 1'000;

struct dead_options {
  queue_target target;
  std::vector<std::string> places;  // PARTITION/OFFSET
  bool all = false;
  bool yes = false;
  bool dry_run = false;
  std::uint64_t count = 100;
};

struct place {
  partition_id partition;
  offset at;
};

place parse_place(const std::string& text) {
  const auto slash = text.find('/');
  try {
    std::size_t used_partition = 0;
    std::size_t used_offset = 0;
    if (slash == std::string::npos) throw std::invalid_argument(text);
    const unsigned long partition = std::stoul(text.substr(0, slash), &used_partition);
    const unsigned long long at = std::stoull(text.substr(slash + 1), &used_offset);
    if (used_partition != slash || used_offset != text.size() - slash - 1) throw std::invalid_argument(text);
    return {partition_id(static_cast<std::uint32_t>(partition)), offset(at)};
  } catch (const std::logic_error&) {
    throw command_error(exit_code::usage,
                        "'" + text + "' is not a place; write PARTITION/OFFSET, as dead list does");
  }
}

exit_code list(const global_options& globals, const dead_options& options) {
  blocking_client broker = connect(globals);
  std::string lines;
  table rows({"PLACE", "FROM", ">ATTEMPTS", "KEY", "VALUE", "REASON"});
  std::uint64_t shown = 0;
  for_each_dead(broker, options.target, [&](const peeked_record& one) {
    if (shown == options.count) return false;
    ++shown;
    const record& is = one.record;
    if (globals.json) {
      lines += to_json_line(std::string(is.topic()), one);
    } else {
      rows.add({std::to_string(is.partition().value()) + "/" + std::to_string(is.offset().value()),
                header_of(is, "skald-dead-partition") + "/" + header_of(is, "skald-dead-offset"),
                header_of(is, "skald-dead-attempts"), cell(is.key()), cell(is.value()),
                cell(header_of(is, "skald-dead-reason"))});
    }
    return true;
  });
  if (globals.json) {
    print(lines);
  } else if (shown > 0) {
    print(rows.text());
  } else if (!globals.quiet) {
    complain("queue '" + options.target.queue + "' has no dead letters");
  }
  return exit_code::ok;
}

exit_code show(const global_options& globals, const dead_options& options) {
  if (options.places.size() != 1)
    throw command_error(exit_code::usage, "name one dead letter as PARTITION/OFFSET; see skald dead list");
  const place wanted = parse_place(options.places.front());
  blocking_client broker = connect(globals);
  bool found = false;
  for_each_dead(broker, options.target, [&](const peeked_record& one) {
    if (one.record.partition() != wanted.partition || one.record.offset() != wanted.at) return true;
    found = true;
    if (globals.json) {
      print(to_json_line(std::string(one.record.topic()), one));
      return false;
    }
    table facts({"", ""});
    facts.add({"topic", std::string(one.record.topic())});
    facts.add({"place", options.places.front()});
    std::string time;
    append_timestamp(time, one.record.time());
    facts.add({"time", time});
    facts.add({"key", cell(one.record.key())});
    for (const header& each : one.record.headers()) facts.add({std::string(each.key), cell(each.value)});
    print(facts.text() + "\n" + std::string(one.record.value().value_or("")) + "\n");
    return false;
  });
  if (!found)
    throw command_error(exit_code::failed, "queue '" + options.target.queue + "' has no dead letter at " +
                                               options.places.front());
  return exit_code::ok;
}

// The letters meant, by partition.
std::map<partition_id, std::vector<offset>> chosen_letters(blocking_client& broker,
                                                           const dead_options& options) {
  std::map<partition_id, std::vector<offset>> letters;
  if (!options.all) {
    for (const std::string& text : options.places) {
      const place one = parse_place(text);
      letters[one.partition].push_back(one.at);
    }
    return letters;
  }
  for_each_dead(broker, options.target, [&](const peeked_record& one) {
    letters[one.record.partition()].push_back(one.record.offset());
    return true;
  });
  return letters;
}

exit_code deal_with(const global_options& globals, const dead_options& options, bool drop) {
  if (options.all == !options.places.empty())
    throw command_error(exit_code::usage, "name dead letters as PARTITION/OFFSET, or give --all");
  const queue_target& target = options.target;
  const std::string_view verb = drop ? "dropped" : "put back";
  blocking_client broker = connect(globals);
  const auto letters = chosen_letters(broker, options);
  std::uint64_t count = 0;
  for (const auto& [partition, offsets] : letters) count += offsets.size();
  if (options.dry_run) return changed(globals, target, verb, count, true);
  if (drop)
    confirm(options.yes,
            "Drop " + format_count(count) + " dead letters of queue '" + target.queue + "' for good?");
  std::uint64_t records = 0;
  about_queue(target, [&] {
    for (const auto& [partition, offsets] : letters) {
      for (std::size_t at = 0; at < offsets.size(); at += records_per_request) {
        const auto some = std::span(offsets).subspan(at, std::min(records_per_request, offsets.size() - at));
        records += drop ? broker.drop_dead(target.topic, target.queue, partition, some)
                        : broker.retry_dead(target.topic, target.queue, partition, some);
      }
    }
  });
  return changed(globals, target, verb, records);
}

CLI::App* add_command(CLI::App& dead, dead_options& options, const std::string& name,
                      const std::string& description, const std::string& footer) {
  CLI::App* command = dead.add_subcommand(name, description)->group("Commands");
  command->footer(footer);
  command->add_option("TOPIC", options.target.topic, "The topic that the queue reads")
      ->required()
      ->type_name("");
  command->add_option("QUEUE", options.target.queue, "The queue")->required()->type_name("");
  return command;
}

void add_places(CLI::App& command, dead_options& options) {
  command.add_option("PLACE", options.places, "Dead letters, as PARTITION/OFFSET")->type_name("");
}

}  // namespace

void add_dead_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* dead =
      app.add_subcommand("dead", "List, show, put back and drop a queue's dead letters")->group("Commands");
  dead->require_subcommand(1);
  dead->footer(
      "A record that failed as often as its queue allows, or that a consumer rejected, is a dead letter.\n\n"
      "Examples:\n"
      "  skald dead list orders billing\n"
      "  skald dead retry orders billing 0/17 0/18\n"
      "  skald dead drop orders billing --all --yes");
  const auto options = std::make_shared<dead_options>();
  const auto choose = [&globals, &chosen, options](CLI::App* command, auto run) {
    command->callback([&globals, &chosen, options, run] {
      chosen = [&globals, options, run] { return run(globals, *options); };
    });
  };

  CLI::App* all = add_command(*dead, *options, "list", "List dead letters",
                              "PLACE is where the letter is, FROM where the record was.\n\n"
                              "Example:\n  skald dead list orders billing");
  all->add_option("-n,--count", options->count, "At most so many [100]")->type_name("N");
  choose(all, [](const auto& g, const auto& o) { return list(g, o); });

  CLI::App* one = add_command(*dead, *options, "show", "Show one dead letter with its headers",
                              "Example:\n  skald dead show orders billing 0/17");
  add_places(*one, *options);
  choose(one, [](const auto& g, const auto& o) { return show(g, o); });

  CLI::App* again =
      add_command(*dead, *options, "retry", "Put dead letters back into the topics they came from",
                  "They are appended there as new records, and begin anew in every queue of that topic.\n\n"
                  "Examples:\n"
                  "  skald dead retry orders billing 0/17\n"
                  "  skald dead retry orders billing --all");
  add_places(*again, *options);
  again->add_flag("--all", options->all, "All dead letters of the queue");
  again->add_flag("--dry-run", options->dry_run, "Only say how many there are");
  choose(again, [](const auto& g, const auto& o) { return deal_with(g, o, false); });

  CLI::App* dropped = add_command(*dead, *options, "drop", "Drop dead letters for good",
                                  "Examples:\n"
                                  "  skald dead drop orders billing 0/17 --yes\n"
                                  "  skald dead drop orders billing --all --dry-run");
  add_places(*dropped, *options);
  dropped->add_flag("--all", options->all, "All dead letters of the queue");
  dropped->add_flag("-y,--yes", options->yes, "Do not ask");
  dropped->add_flag("--dry-run", options->dry_run, "Only say how many there are");
  choose(dropped, [](const auto& g, const auto& o) { return deal_with(g, o, true); });
}

}  // namespace skald::cli
