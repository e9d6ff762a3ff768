// skald group list|describe|reset|delete
#include <unistd.h>

#include <boost/json.hpp>
#include <map>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/table.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

void print_json(const json::value& value) {
  print(json::serialize(value) + "\n");
}

std::string hexadecimal(std::uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

// ---- list and describe
// -------------------------------------------------------------------------------------

exit_code list(const global_options& globals, bool names_only) {
  blocking_client broker = connect(globals);
  const std::vector<group_summary> groups = broker.list_groups();
  if (names_only) {
    std::string names;
    for (const group_summary& group : groups) names += group.name + "\n";
    print(names);
    return exit_code::ok;
  }
  if (globals.json) {
    json::array array;
    for (const group_summary& group : groups) {
      array.push_back({{"group", group.name},
                       {"members", group.members},
                       {"partitions", group.partitions},
                       {"lag", group.lag}});
    }
    print_json(array);
    return exit_code::ok;
  }
  if (groups.empty()) {
    if (!globals.quiet) complain("there are no groups; join one with: skald sub TOPIC --group NAME");
    return exit_code::ok;
  }
  table rows({"GROUP", ">MEMBERS", ">PARTITIONS", ">LAG"});
  for (const group_summary& group : groups) {
    rows.add(
        {group.name, format_count(group.members), format_count(group.partitions), format_count(group.lag)});
  }
  print(rows.text());
  return exit_code::ok;
}

json::value position_json(const std::optional<offset>& position) {
  if (!position) return nullptr;
  return position->value();
}

json::object to_json(const group_info& group) {
  json::array members;
  for (const group_member& member : group.members) {
    members.push_back({{"member", hexadecimal(member.id)},
                       {"epoch", member.epoch},
                       {"instance", member.instance.empty() ? json::value() : json::value(member.instance)},
                       {"subscription", member.subscription},
                       {"connected", member.connected},
                       {"partitions", member.partitions}});
  }
  json::array partitions;
  for (const group_partition& partition : group.partitions) {
    partitions.push_back(
        {{"topic", partition.topic},
         {"partition", partition.partition.value()},
         {"position", position_json(partition.position)},
         {"log_start", partition.log_start.value()},
         {"end", partition.end.value()},
         {"lag", partition.lag()},
         {"member", partition.member == 0 ? json::value() : json::value(hexadecimal(partition.member))}});
  }
  return {{"group", group.name}, {"members", std::move(members)}, {"partitions", std::move(partitions)}};
}

exit_code describe(const global_options& globals, const std::string& name) {
  blocking_client broker = connect(globals);
  const group_info group = broker.describe_group(name);
  if (globals.json) {
    print_json(to_json(group));
    return exit_code::ok;
  }
  std::map<std::uint64_t, std::string> names;
  table members({"MEMBER", "INSTANCE", "SUBSCRIPTION", "CONNECTED", ">PARTITIONS"});
  for (const group_member& member : group.members) {
    names.emplace(member.id, member.instance.empty() ? hexadecimal(member.id) : member.instance);
    members.add({hexadecimal(member.id), member.instance.empty() ? "-" : member.instance, member.subscription,
                 member.connected ? "yes" : "no", format_count(member.partitions)});
  }
  table partitions({"TOPIC", ">PARTITION", ">POSITION", ">END", ">LAG", "MEMBER"});
  for (const group_partition& partition : group.partitions) {
    const auto member = names.find(partition.member);
    partitions.add({partition.topic, std::to_string(partition.partition.value()),
                    partition.position ? std::to_string(partition.position->value()) : "-",
                    std::to_string(partition.end.value()), format_count(partition.lag()),
                    member == names.end() ? "-" : member->second});
  }
  print((group.members.empty() ? "no members\n" : members.text()) + "\n" + partitions.text());
  return exit_code::ok;
}

// ---- reset
// -------------------------------------------------------------------------------------------------

struct reset_options {
  std::string group;
  std::vector<std::string> topics;
  start_position to = from_earliest{};
  bool execute = false;
};

struct move {
  std::string topic;
  group_position to;
  std::optional<offset> from;
  std::uint64_t member = 0;
};

// What the group has now; nothing when it is new, which is fine if topics are named.
group_info known(blocking_client& broker, const reset_options& options) {
  try {
    return broker.describe_group(options.group);
  } catch (const error& failed) {
    if (failed.code() != errc::unknown_group || options.topics.empty()) throw;
    return {};
  }
}

std::vector<move> plan(blocking_client& broker, const reset_options& options) {
  const group_info group = known(broker, options);
  std::map<std::pair<std::string, partition_id>, const group_partition*> has;
  std::vector<std::string> topics = options.topics;
  for (const group_partition& partition : group.partitions) {
    has.emplace(std::pair(partition.topic, partition.partition), &partition);
    if (options.topics.empty()) topics.push_back(partition.topic);
  }
  std::ranges::sort(topics);
  topics.erase(std::ranges::unique(topics).begin(), topics.end());

  std::vector<move> moves;
  for (const std::string& topic : topics) {
    about_topic(topic, [&] {
      const topic_id id = broker.describe_topic(topic).id;
      for (const partition_offset& at : broker.list_offsets(topic, {.at = to_start_point(options.to)})) {
        move& one = moves.emplace_back();
        one.topic = topic;
        one.to = {id, at.partition, at.offset};
        if (const auto now = has.find({topic, at.partition}); now != has.end()) {
          one.from = now->second->position;
          one.member = now->second->member;
        }
      }
    });
  }
  return moves;
}

void show(const global_options& globals, const std::vector<move>& moves, bool executed) {
  if (globals.json) {
    json::array array;
    for (const move& one : moves) {
      array.push_back({{"topic", one.topic},
                       {"partition", one.to.partition.value()},
                       {"from", position_json(one.from)},
                       {"to", one.to.next.value()},
                       {"done", executed}});
    }
    return print_json(array);
  }
  table rows({"TOPIC", ">PARTITION", ">FROM", ">TO"});
  for (const move& one : moves) {
    rows.add({one.topic, std::to_string(one.to.partition.value()),
              one.from ? std::to_string(one.from->value()) : "-", std::to_string(one.to.next.value())});
  }
  print(rows.text());
}

exit_code reset(const global_options& globals, const reset_options& options) {
  blocking_client broker = connect(globals);
  const std::vector<move> moves = plan(broker, options);
  if (options.execute && !moves.empty()) {
    std::vector<group_position> positions;
    positions.reserve(moves.size());
    for (const move& one : moves) positions.push_back(one.to);
    broker.move_group(options.group, positions);
  }
  show(globals, moves, options.execute);
  if (options.execute || globals.quiet) return exit_code::ok;
  const bool in_use = std::ranges::any_of(moves, [](const move& one) { return one.member != 0; });
  complain(in_use ? "nothing was changed: members have these partitions; stop them before --execute"
                  : "nothing was changed: this is what --execute would do");
  return exit_code::ok;
}

// ---- delete
// ------------------------------------------------------------------------------------------------

exit_code remove(const global_options& globals, const std::string& name, bool yes) {
  blocking_client broker = connect(globals);
  if (!yes && ::isatty(STDIN_FILENO) == 1 && !agrees("Forget where group '" + name + "' is?")) {
    throw command_error(exit_code::failed, "group '" + name + "' was not deleted");
  }
  broker.delete_group(name);
  if (globals.json) print_json({{"group", name}, {"done", "deleted"}});
  return exit_code::ok;
}

struct group_options {
  std::string name;
  bool names_only = false;
  bool yes = false;
};

CLI::App* add_command(CLI::App& group, const std::string& name, const std::string& description,
                      const std::string& footer) {
  CLI::App* command = group.add_subcommand(name, description)->group("Commands");
  command->footer(footer);
  return command;
}

void add_reset_command(CLI::App& group, const global_options& globals, action& chosen) {
  const auto options = std::make_shared<reset_options>();
  CLI::App* command =
      add_command(group, "reset", "Move where a group goes on",
                  "Shows what would change; --execute changes it, all of it or nothing, which is "
                  "refused while members\nhave these partitions.\n\n"
                  "Examples:\n"
                  "  skald group reset billing --to earliest\n"
                  "  skald group reset billing --to -1h --topic orders --execute\n"
                  "  skald group reset billing --to 2026-11-22T21:54:02Z --execute");
  command->add_option("GROUP", options->group, "The group")->required()->type_name("");
  add_parsed_option(
      *command, "--to", options->to,
      [](const std::string& text) {
        return parse_start(text, std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
      },
      "earliest, latest, an offset, a time, or a duration ago such as -1h", "START")
      ->required();
  command->add_option("--topic", options->topics, "Only this topic; may be repeated [all that the group has]")
      ->allow_extra_args(false)
      ->type_name("TOPIC");
  command->add_flag("--execute", options->execute, "Do it");
  command->callback(
      [&globals, &chosen, options] { chosen = [&globals, options] { return reset(globals, *options); }; });
}

}  // namespace

void add_group_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* group =
      app.add_subcommand("group", "List, describe, reset and delete consumer groups")->group("Commands");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  skald sub orders --group billing    joins the group, or makes it\n"
      "  skald group describe billing\n"
      "  skald group reset billing --to earliest --execute\n"
      "  skald group COMMAND --help   says all about one of them");
  const auto options = std::make_shared<group_options>();

  CLI::App* all = add_command(*group, "list", "List all groups",
                              "Examples:\n"
                              "  skald group list\n"
                              "  skald group list --output json | jq '.[] | select(.lag > 0)'");
  all->add_flag("--names", options->names_only, "Only the names, one a line");
  all->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return list(globals, options->names_only); };
  });

  CLI::App* about = add_command(*group, "describe", "Show a group's members, assignments, positions and lag",
                                "Example:\n  skald group describe billing");
  about->add_option("GROUP", options->name, "The group")->required()->type_name("");
  about->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return describe(globals, options->name); };
  });

  add_reset_command(*group, globals, chosen);

  CLI::App* erase =
      add_command(*group, "delete", "Forget where a group is",
                  "Refused while the group has members. Asks before, if standard input is a terminal."
                  "\n\nExample:\n  skald group delete billing --yes");
  erase->add_option("GROUP", options->name, "The group")->required()->type_name("");
  erase->add_flag("-y,--yes", options->yes, "Do not ask");
  erase->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return remove(globals, options->name, options->yes); };
  });
}

}  // namespace skald::cli
