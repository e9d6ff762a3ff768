// skald sub
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <skald/protocol/topic_pattern.hpp>
#include <utility>

#include "tools/cli/command.hpp"
#include "tools/cli/header_option.hpp"
#include "tools/cli/interrupts.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/queue_sub.hpp"
#include "tools/cli/record_format.hpp"

namespace skald::cli {
namespace {

constexpr const char* footer = R"(Where to start (--from):
  latest                what is published from now on (default)
  earliest              the oldest record kept
  1234                  this offset, in every partition read
  2026-11-22T21:54:02Z  the first record with this time or a later one; also @MILLISECONDS since 1970
  -1h                   likewise, one hour ago; units are w, d, h, m, s, ms

How to write records (--format):
  text      the value and a newline (default)
  raw       the value, nothing else
  json      an object on a line, which `skald pub --input json` publishes again exactly; bytes that are
            not UTF-8 are in key_base64 and value_base64
  TEMPLATE  with %N topic, %k key, %v value, %h headers as k=v,k=v, %p partition, %o offset, %t time,
            %T time in milliseconds since 1970, %n newline, %% percent sign, and \n \t \r \0 \\ \xHH.
            A newline follows, unless the template ends in %n, \n, \0, \xHH or \c.

TOPIC may be a pattern: in orders.* the star stands for one token between dots, in orders.> the rest for one or
more. Topics that are created later and match join by themselves, from their first record.

With --group, all who give the same name share the partitions, and what is written is committed: the group goes on
there, whoever is in it then. --from is where to begin a partition that the group has never had.

Which records (--key, --key-prefix, --header): all that is given must hold. The broker does the choosing, so
that what does not match does not travel.

Records of one partition come in order; partitions are merged as they come.
A lost connection is opened again, and reading goes on where it was; standard error says so.

Examples:
  skald sub orders
  skald sub orders --from earliest --no-follow --format '%p/%o %t %k: %v'
  skald sub 'orders.>' --format '%N %k: %v'
  skald sub orders --group billing --from earliest
  skald sub orders --from -15m --partition 0,3 | grep failed
  skald sub orders --from earliest --count 10 --format json | jq .value
  skald sub orders --key-prefix eu- --header kind=created
  skald sub names --from earliest --no-follow --format '%v\0' | xargs -0 -n1 echo
  skald sub orders --queue billing | ./bill      each record to one of all who do so

Exit status: 0 done (--count, --no-follow), 1 failed, 2 usage, 3 no connection, 5 timed out,
130 interrupted, 141 the reader of the output went away, 143 terminated.)";

struct sub_options {
  std::string topic;
  start_position from = from_latest{};
  std::vector<std::uint32_t> partitions;
  std::optional<std::string> key;
  std::optional<std::string> key_prefix;
  std::vector<std::string> header_texts;
  std::optional<std::uint64_t> count;
  bool follow = true;
  std::optional<record_format> format;
  std::string group;
  std::string instance;
  // As a consumer of a queue, instead.
  std::string queue;
  bool create_queue = false;
  std::uint32_t prefetch = 64;
};

// The topics that a name or a pattern means now.
std::vector<std::string> topics_of(blocking_client& broker, const std::string& text) {
  if (!protocol::is_pattern(text)) return {text};
  const protocol::topic_pattern pattern = protocol::topic_pattern::parse(text).value();
  std::vector<std::string> names;
  for (topic_info& topic : broker.list_topics()) {
    if (pattern.matches(topic.name)) names.push_back(std::move(topic.name));
  }
  return names;
}

// The offsets to stop at, by topic and partition: the ends of the partitions when the command began.
class ends {
 public:
  ends(blocking_client& broker, const sub_options& options, std::span<const partition_id> partitions) {
    for (const std::string& topic : topics_of(broker, options.topic)) {
      for (const partition_offset& end :
           broker.list_offsets(topic, {.at = skald::latest, .partitions = partitions})) {
        ends_.emplace(std::pair(topic, end.partition), end.offset);
      }
    }
  }
  // Everything before `next` of this partition was seen.
  void reached(std::string_view topic, partition_id partition, offset next) {
    const auto end = ends_.find(std::pair(std::string(topic), partition));
    if (end != ends_.end() && next >= end->second) ends_.erase(end);
  }
  // Whether a record was published before the command began. A partition that is done has no such.
  bool includes(std::string_view topic, partition_id partition, offset at) const {
    const auto end = ends_.find(std::pair(std::string(topic), partition));
    return end != ends_.end() && at < end->second;
  }
  bool all_reached() const { return ends_.empty(); }

 private:
  std::map<std::pair<std::string, partition_id>, offset> ends_;
};

// How often whoever waits for records looks whether there is a connection.
constexpr milliseconds look_interval{500};

class receiver {
 public:
  receiver(const blocking_client& broker, const global_options& globals, const sub_options& options,
           const interrupts& stopping)
      : broker_(broker),
        globals_(globals),
        options_(options),
        stopping_(stopping),
        progress_(progress::wanted(globals.quiet, true), "received") {}

  // Until the count or the ends are reached, or the subscription is closed. What was received is written in
  // any case.
  void run(blocking_subscription& from, ends* until);

 private:
  records next(blocking_subscription& from, bool patient);
  bool counted() const { return options_.count && received_ >= *options_.count; }
  bool write(const records& delivered, const ends* until);
  void commit(blocking_subscription& from, const records& delivered);
  void warn_of_gap(const records& delivered);
  void tell_of_connection();
  void notice(const std::string& what);

  const blocking_client& broker_;
  const global_options& globals_;
  const sub_options& options_;
  const interrupts& stopping_;
  progress progress_;
  output_buffer output_{STDOUT_FILENO};
  output_record record_;
  bool told_of_trouble_ = false;
  offset written_end_;  // in the delivery being written
  std::uint64_t received_ = 0;
  std::uint64_t bytes_ = 0;
};

void receiver::run(blocking_subscription& from, ends* until) {
  if (until != nullptr) {
    for (const partition_position& at : from.positions()) until->reached(at.topic, at.partition, at.next);
  }
  try {
    while (!counted() && !(until != nullptr && until->all_reached())) {
      const records delivered = next(from, until == nullptr);
      warn_of_gap(delivered);
      const bool more = write(delivered, until);
      if (!options_.group.empty()) commit(from, delivered);
      progress_.update(received_, bytes_);
      if (until != nullptr) until->reached(delivered.topic(), delivered.partition(), delivered.end_offset());
      if (!more) break;
    }
  } catch (const error& failed) {
    if (stopping_.reason() != exit_code::broken_pipe) output_.flush();
    if (failed.code() != errc::closed || !stopping_.reason()) throw;
    return;
  }
  output_.flush();
}

// The next delivery. Whoever watches the output sees all there is before this waits. Without `patient` there
// is something to come, so that silence is a failure.
records receiver::next(blocking_subscription& from, bool patient) {
  if (auto delivered = from.receive_for(milliseconds(0))) return std::move(*delivered);
  output_.flush();
  while (patient) {
    if (auto delivered = from.receive_for(look_interval)) return std::move(*delivered);
    tell_of_connection();
  }
  if (auto delivered = from.receive_for(globals_.timeout)) return std::move(*delivered);
  throw error(errc::deadline_exceeded,
              "topic '" + options_.topic + "' has more records, but none came from " + globals_.broker +
                  " for " + format_duration(globals_.timeout) + "; see whether it is up, or give --timeout");
}

// Writes the records, up to the count. False when that is reached.
bool receiver::write(const records& delivered, const ends* until) {
  written_end_ = delivered.begin_offset();
  for (const record& each : delivered) {
    if (until != nullptr && !until->includes(delivered.topic(), delivered.partition(), each.offset()))
      return true;
    if (counted()) return false;
    written_end_ = each.offset() + 1;
    record_.partition = delivered.partition();
    record_.offset = each.offset();
    record_.timestamp = each.time();
    record_.key = each.key();
    record_.value = each.value();
    record_.headers.clear();
    for (const header& one : each.headers()) record_.headers.push_back(one);
    options_.format->append(output_.bytes(), delivered.topic(), record_);
    output_.written();
    ++received_;
    bytes_ += record_.value ? record_.value->size() : 0;
  }
  return !counted();
}

// What was written is done. The position may end within a delivery, at the count.
void receiver::commit(blocking_subscription& from, const records& delivered) {
  output_.flush();
  try {
    if (written_end_ == delivered.end_offset()) return from.commit(delivered);
    for (const record& each : delivered) {
      if (each.offset() + 1 == written_end_) return from.commit(each);
    }
  } catch (const error& failed) {
    // The position goes with the next commit, or the partition is another member's, which begins before it.
    if (failed.code() != errc::connection_lost && failed.code() != errc::unknown_member &&
        failed.code() != errc::fenced_member) {
      throw;
    }
  }
}

void receiver::warn_of_gap(const records& delivered) {
  const auto gap = delivered.gap();
  if (!gap) return;
  notice("warning: " + std::string(delivered.topic()) + ", partition " +
         std::to_string(delivered.partition().value()) + ": records " + format_count(gap->from.value()) +
         "-" + format_count(gap->to.value() - 1) + " were removed by retention before they could be read");
}

// Nothing else would tell a broker that is gone from a topic where nothing happens.
void receiver::tell_of_connection() {
  const std::string trouble = broker_.trouble();
  if (trouble.empty() == !told_of_trouble_) return;
  told_of_trouble_ = !trouble.empty();
  notice(told_of_trouble_ ? "no connection: " + trouble + "; trying again until there is one"
                          : "connected to " + globals_.broker + " again");
}

void receiver::notice(const std::string& what) {
  if (globals_.quiet) return;
  progress_.clear();
  complain(what);
}

exit_code subscribe(const global_options& globals, const sub_options& options) {
  // The subscription is set before the handler may run, and closed from the handler's thread.
  blocking_subscription from;
  std::mutex mutex;  // guards `open`: whether `from` may be closed
  bool open = false;
  interrupts stopping(
      [&] {
        const std::lock_guard lock(mutex);
        if (open) from.close();
      },
      true);
  blocking_client broker = connect(globals);
  std::vector<partition_id> partitions;
  partitions.reserve(options.partitions.size());
  for (const std::uint32_t number : options.partitions) partitions.emplace_back(number);
  std::ranges::sort(partitions);
  partitions.erase(std::ranges::unique(partitions).begin(), partitions.end());

  const std::vector<header> headers = parse_headers("--header", options.header_texts);

  std::optional<ends> until;
  if (!options.follow) about_topic(options.topic, [&] { until.emplace(broker, options, partitions); });
  auto opened = about_topic(options.topic, [&] {
    return broker.subscribe(
        options.topic, {.from = to_start_point(options.from),
                        .partitions = partitions,
                        .filter = {.key = options.key, .key_prefix = options.key_prefix, .headers = headers},
                        .group = options.group,
                        .instance = options.instance,
                        .commit = manual});
  });
  {
    const std::lock_guard lock(mutex);
    from = std::move(opened);
    open = true;
  }
  if (!stopping.reason()) receiver(broker, globals, options, stopping).run(from, until ? &*until : nullptr);
  {
    const std::lock_guard lock(mutex);
    open = false;
  }
  from.close();
  return stopping.reason().value_or(exit_code::ok);
}

}  // namespace

void add_sub_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command =
      app.add_subcommand("sub", "Subscribe to topics and write their records")->group("Commands");
  const auto options = std::make_shared<sub_options>();
  options->format = *record_format::parse("text");
  command->add_option("TOPIC", options->topic, "The topic, or a pattern such as 'orders.*'")
      ->required()
      ->type_name("");
  add_parsed_option(
      *command, "--from", options->from,
      [](const std::string& text) {
        return parse_start(text, std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
      },
      "Where to start; see below [latest]", "START");
  command->add_option("-p,--partition", options->partitions, "Only these partitions, as in 0,3")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(whole_number(0))
      ->type_name("N");
  command->add_option("-k,--key", options->key, "Only records with this key")->type_name("KEY");
  command->add_option("--key-prefix", options->key_prefix, "Only records whose key begins so")
      ->type_name("PREFIX");
  command->add_option("-H,--header", options->header_texts, "Only records with this header; repeatable")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  command->add_option("-n,--count", options->count, "End after so many records")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()))
      ->type_name("N");
  command->add_flag("--follow,!--no-follow", options->follow,
                    "Wait for what is to come (default), or end with what was there at the start");
  command
      ->add_option("--group", options->group,
                   "As a member of this consumer group, which shares the partitions")
      ->type_name("NAME");
  command
      ->add_option("--instance", options->instance, "A static member: its partitions wait while it restarts")
      ->type_name("NAME");
  add_parsed_option(*command, "--format", options->format, record_format::parse,
                    "text, json, raw or a template; see below [text]", "FORMAT");
  CLI::Option* queue = command
                           ->add_option("--queue", options->queue,
                                        "Take records of this queue, and acknowledge what was written")
                           ->type_name("QUEUE");
  command->add_flag("--create", options->create_queue, "With --queue: make the queue if there is none")
      ->needs(queue);
  command->add_option("--prefetch", options->prefetch, "With --queue: hold so many records at a time [64]")
      ->check(CLI::PositiveNumber)
      ->needs(queue)
      ->type_name("N");
  queue->excludes("--from")->excludes("--partition")->excludes("--group")->excludes("--instance");
  queue->excludes("--key")->excludes("--key-prefix")->excludes("--header");
  command->footer(footer);
  command->callback([&globals, &chosen, options] {
    (void)parse_headers("--header", options->header_texts);
    chosen = [&globals, options] {
      sub_options effective = *options;
      if (effective.group.empty() && !effective.instance.empty()) {
        throw command_error(exit_code::usage, "--instance names a member of a group; give --group");
      }
      if (!effective.group.empty() && !effective.follow) {
        throw command_error(exit_code::usage,
                            "--no-follow has no end in a group, whose members come and go; give --count");
      }
      if (globals.json) effective.format = *record_format::parse("json");
      if (effective.queue.empty()) return subscribe(globals, effective);
      return take_from_queue(globals, {.topic = effective.topic,
                                       .queue = effective.queue,
                                       .create = effective.create_queue,
                                       .prefetch = effective.prefetch,
                                       .count = effective.count,
                                       .follow = effective.follow,
                                       .format = *effective.format});
    };
  });
}

}  // namespace skald::cli
