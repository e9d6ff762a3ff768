#include "tools/cli/queue_output.hpp"

#include <unistd.h>

#include <boost/json.hpp>

#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/record_format.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {

namespace json = boost::json;

void for_each_unsettled(blocking_client& broker, const queue_target& target,
                        const std::function<bool(const peeked_record&)>& visit) {
  const queue_info queue = broker.describe_queue(target.topic, target.queue);
  for (const queue_partition& partition : queue.partitions) {
    offset at = partition.floor;
    while (at < partition.end) {
      const peeked_records page =
          broker.peek_queue(target.topic, target.queue, partition.partition, {.from = at, .limit = 1'000});
      for (const peeked_record& one : page.records) {
        if (one.record.offset() >= partition.end) break;  // newer than the command
        if (!visit(one)) return;
      }
      if (!page.more || page.next <= at) break;
      at = page.next;
    }
  }
}

void for_each_dead(blocking_client& broker, const queue_target& target,
                   const std::function<bool(const peeked_record&)>& visit) {
  const queue_info queue =
      about_queue(target, [&] { return broker.describe_queue(target.topic, target.queue); });
  if (queue.dead == 0) return;
  const queue_target letters{queue.dead_letter, std::string(dead_queue)};
  about_queue(letters, [&] {
    for_each_unsettled(broker, letters, [&](const peeked_record& one) {
      if (header_of(one.record, "skald-dead-queue") != target.queue ||
          header_of(one.record, "skald-dead-topic") != target.topic)
        return true;
      return visit(one);
    });
  });
}

std::string to_json_line(const std::string& topic, const peeked_record& shown) {
  output_record record;
  record.partition = shown.record.partition();
  record.offset = shown.record.offset();
  record.timestamp = shown.record.time();
  record.key = shown.record.key();
  record.value = shown.record.value();
  for (const header& one : shown.record.headers()) record.headers.push_back(one);
  std::string line;
  record_format::parse("json")->append(line, topic, record);
  json::object object = json::parse(line).as_object();
  object["attempts"] = shown.attempts;
  if (shown.due) {
    std::string due;
    append_timestamp(due, *shown.due);
    object["due"] = due;
  }
  if (!shown.reason.empty()) object["reason"] = shown.reason;
  return json::serialize(object) + "\n";
}

std::string cell(const std::optional<std::string_view>& bytes) {
  return bytes ? printable(*bytes) : "-";
}

std::string header_of(const record& of, std::string_view name) {
  for (const header& one : of.headers())
    if (one.key == name) return std::string(one.value.value_or(""));
  return {};
}

void confirm(bool yes, const std::string& question) {
  if (yes) return;
  if (::isatty(STDIN_FILENO) != 1)
    throw command_error(exit_code::usage,
                        "this cannot be undone: give --yes, or --dry-run to see what it is about");
  if (!agrees(question)) throw command_error(exit_code::failed, "nothing was changed");
}

exit_code changed(const global_options& globals, const queue_target& target, std::string_view verb,
                  std::uint64_t records, bool dry_run) {
  if (globals.json) {
    print(json::serialize(json::object{{"topic", target.topic},
                                       {"queue", target.queue},
                                       {"done", verb},
                                       {"records", records},
                                       {"dry_run", dry_run}}) +
          "\n");
  } else if (!globals.quiet) {
    print(std::string(dry_run ? "would have " : "") + std::string(verb) + " " + format_count(records) +
          (records == 1 ? " record" : " records") + " of queue '" + target.queue + "'\n");
  }
  return exit_code::ok;
}

}  // namespace skald::cli
