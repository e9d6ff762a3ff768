// skald pub
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <limits>
#include <map>
#include <memory>

#include <skald/protocol/topic_name.hpp>

#include "tools/cli/command.hpp"
#include "tools/cli/header_option.hpp"
#include "tools/cli/interrupts.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/publisher.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/record_source.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

constexpr const char* footer = R"(Input:
  lines   each line, without its newline, is a value (default)
  json    each line is a JSON object: {"key": "42", "value": "created", "headers": {"trace": "a1"},
          "timestamp": "2026-11-22T21:54:02Z", "partition": 3}, all optional; key_base64 and
          value_base64 for bytes that are not UTF-8. The output of `skald sub --format json` is such input.
  raw     the whole input is one value
A line is sent as soon as it is read. Each record is acknowledged when it is on disk, unless told otherwise.
Records with equal keys go to the same partition, in order.

When something fails, standard error says which lines were acknowledged. --output json says the same, as
{"acknowledged_lines": [[1, 4096]], "failed": {"first_line": 4097, ...}, ...}, on standard output.

Examples:
  skald pub orders 'hello world'
  skald pub orders --file orders.txt --key-separator '|'
  tail -F app.log | skald pub logs --compression zstd
  skald pub reminders 'call back' --delay 15m --timer customer/42/call
  skald pub payments '9.50 EUR' --message-id invoice-7          again and again, and it is there once
  tail -F app.log | skald pub logs --producer app-log           a second one stops the first
  skald pub accounts opened --key 42 --expect-version 0         unless the key has records already
  skald pub images --input raw --key cat.png --file cat.png
  skald sub orders --no-follow --from earliest --format json | skald pub copy --input json

Exit status: 0 done, 1 failed and nothing was acknowledged, 2 usage, 3 no connection, 4 partly published,
5 timed out, 130 interrupted, 143 terminated.)";

struct pub_options {
  std::string topic;
  std::vector<std::string> messages;
  std::string file;
  input_format input = input_format::lines;
  std::optional<std::string> key;
  std::string key_separator;
  std::vector<std::string> header_texts;
  std::vector<record_header> headers;  // views into header_texts
  std::optional<std::uint32_t> partition;
  skald::compression compression = skald::compression::none;
  skald::durability durability = skald::durability::disk;
  std::optional<timestamp> time;
  std::string producer;  // a name; empty: none
  publish_terms terms;
};

// ---- input -----------------------------------------------------------------------------------------------

class input_file {
 public:
  explicit input_file(const std::string& path) : name_(path.empty() ? "standard input" : path) {
    if (path.empty()) return;
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) {
      throw command_error(exit_code::failed,
                          "cannot open " + path + ": " + std::system_category().message(errno));
    }
  }
  ~input_file() {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
  }
  input_file(const input_file&) = delete;
  input_file& operator=(const input_file&) = delete;

  int descriptor() const { return descriptor_; }
  const std::string& name() const { return name_; }

 private:
  int descriptor_ = STDIN_FILENO;
  std::string name_;
};

// How long a line may be, for records of at most `record_bytes_max`. In JSON a byte may take six characters,
// and there are other fields.
std::size_t line_bytes_max(input_format input, std::size_t record_bytes_max) {
  return input == input_format::json ? record_bytes_max * 6 + 64 * 1024 : record_bytes_max;
}

std::unique_ptr<record_source> make_source(const pub_options& options, line_reader& reader) {
  if (!options.messages.empty()) return make_argument_source(options.messages, options.key_separator);
  switch (options.input) {
    case input_format::json:
      return make_json_source(reader);
    case input_format::raw:
      return make_raw_source(reader);
    case input_format::lines:
      break;
  }
  return make_line_source(reader, options.key_separator);
}

// ---- the run ---------------------------------------------------------------------------------------------

// Where and why it stopped before the end of the input.
struct stop {
  line_range lines;  // 0: not in a line
  std::string reason;
  exit_code code = exit_code::failed;
};

// Sends what the input holds. Returns why it stopped before the end, if it did.
std::optional<stop> send_all(record_source& source, const pub_options& options, publisher& to,
                             const interrupts& stopped, progress& shown) {
  input_record record;
  record.line = 0;
  try {
    for (;;) {
      const read_status status = source.next(record);
      if (status == read_status::end) return std::nullopt;
      if (status == read_status::interrupted ||
          (to.sent_records() % 1024 == 0 && (to.failed() || stopped.reason()))) {
        return stop{};
      }
      if (!record.key && options.key) record.key = *options.key;
      if (!record.timestamp) record.timestamp = options.time;
      if (!record.partition && options.partition) record.partition = partition_id(*options.partition);
      record.headers.insert(record.headers.end(), options.headers.begin(), options.headers.end());
      to.send(record);
      if (to.sent_records() % 1024 == 0) shown.update(to.acknowledged_records(), to.sent_bytes());
      if (options.input != input_format::json) {
        record.headers.clear();
        record.key.reset();
      }
    }
  } catch (const input_error& bad) {
    return stop{{bad.line(), bad.line()}, bad.what(), exit_code::failed};
  } catch (const error& failed) {
    return stop{{record.line, record.line}, failed.message(), to_command_error(failed).code()};
  }
}

json::object report_json(const pub_options& options, const publisher& to, const std::optional<stop>& stopped,
                         double seconds) {
  json::array ranges;
  for (const line_range& range : to.acknowledged().ranges())
    ranges.push_back(json::array{range.first, range.last});
  json::object object{{"topic", options.topic},
                      {"records", to.acknowledged_records()},
                      {"duplicates", to.duplicate_records()},
                      {"bytes", to.sent_bytes()},
                      {"elapsed_ms", static_cast<std::int64_t>(seconds * 1e3)},
                      {"acknowledged_lines", std::move(ranges)},
                      {"failed", nullptr}};
  if (stopped) {
    const auto number = [](std::uint64_t line) { return line == 0 ? json::value() : json::value(line); };
    object["failed"] = {{"first_line", number(stopped->lines.first)},
                        {"last_line", number(stopped->lines.last)},
                        {"message", stopped->reason}};
  }
  return object;
}

// "line 17: too long", "lines 17-20: ...", or the reason alone.
std::string describe_stop(const stop& stopped, std::string_view noun) {
  if (stopped.lines.first == 0) return stopped.reason;
  std::string text(noun);
  text += stopped.lines.first == stopped.lines.last
              ? " " + format_count(stopped.lines.first)
              : "s " + format_count(stopped.lines.first) + "-" + format_count(stopped.lines.last);
  return text + ": " + stopped.reason;
}

std::string_view noun_for(const pub_options& options) {
  if (!options.messages.empty()) return "message";
  return options.input == input_format::raw ? "record" : "line";
}

exit_code report(const global_options& globals, const pub_options& options, const publisher& to,
                 const std::optional<stop>& stopped, const input_file& file, double seconds) {
  if (globals.json) print(json::serialize(report_json(options, to, stopped, seconds)) + "\n");
  if (!stopped) {
    if (to.duplicate_records() > 0 && !globals.quiet && !globals.json)
      complain(options.topic + ": a record with that message id is there already; nothing was added");
    if (progress::wanted(globals.quiet || globals.json, false)) {
      complain(describe_progress("published", to.acknowledged_records(), to.sent_bytes(),
                                 static_cast<double>(to.acknowledged_records()) / std::max(seconds, 1e-9)));
    }
    return exit_code::ok;
  }
  const std::string_view noun = noun_for(options);
  const std::string acknowledged = to.acknowledged().describe(noun) + " acknowledged";
  if (stopped->code == exit_code::interrupted || stopped->code == exit_code::terminated) {
    complain(options.topic + ": " + stopped->reason + "; " + acknowledged);
    return stopped->code;
  }
  std::string where = options.topic;
  if (options.messages.empty()) where += ": " + file.name();
  if (to.acknowledged_records() == 0) {
    complain(where + ": " + describe_stop(*stopped, noun) + "; nothing was acknowledged");
    return stopped->code;
  }
  complain(where + ": " + acknowledged + "; " + describe_stop(*stopped, noun));
  return exit_code::partial_publish;
}

// A line is sent as soon as it is read, but where all of them are there already they go together.
publish_terms terms_of(const pub_options& options, const input_file& file) {
  constexpr std::size_t together = 1000;
  publish_terms terms = options.terms;
  struct stat is{};
  const bool regular = ::fstat(file.descriptor(), &is) == 0 && S_ISREG(is.st_mode);
  if (regular || !options.messages.empty()) terms.records_per_commit = together;
  return terms;
}

exit_code publish(const global_options& globals, const pub_options& options) {
  input_file file(options.messages.empty() ? options.file : std::string());
  interrupts stopping;
  blocking_client broker = connect(globals);
  const topic_info topic = about_topic(options.topic, [&] { return broker.describe_topic(options.topic); });

  publisher to(
      broker, topic,
      {.name = options.producer,
       .durability = options.durability,
       .compression = options.compression,
       .delivery_timeout = std::max(globals.timeout, std::chrono::milliseconds(1))},
      [&stopping] { stopping.wake(); }, terms_of(options, file));
  const std::size_t record_bytes_max = topic.settings.record_bytes_max.value_or(1u << 20);
  line_reader reader(file.descriptor(), line_bytes_max(options.input, record_bytes_max),
                     stopping.descriptor());
  const auto source = make_source(options, reader);
  if (!globals.quiet && options.messages.empty() && ::isatty(file.descriptor()) == 1) {
    complain("publishing each line that you type to '" + options.topic + "'; end with Ctrl-D");
  }
  progress shown(progress::wanted(globals.quiet || globals.json, false), "acknowledged");

  std::optional<stop> stopped = send_all(*source, options, to, stopping, shown);
  to.flush();
  if (to.failed() &&
      (!stopped || stopped->reason.empty() || to.failed()->lines.first < stopped->lines.first)) {
    stopped =
        stop{to.failed()->lines, to.failed()->reason.message(), to_command_error(to.failed()->reason).code()};
  } else if (const auto reason = stopping.reason(); reason && stopped && stopped->reason.empty()) {
    stopped = stop{{}, *reason == exit_code::interrupted ? "interrupted" : "terminated", *reason};
  }
  shown.clear();
  return report(globals, options, to, stopped, file, shown.elapsed().count());
}

void check(const pub_options& options) {
  const auto refuse = [](const std::string& why) { throw CLI::ValidationError("pub", why); };
  if (!options.messages.empty() && !options.file.empty())
    refuse("MESSAGE and --file are two inputs; give one");
  if (!options.messages.empty() && options.input != input_format::lines) {
    refuse("MESSAGE is published as it is; --input is for standard input and --file");
  }
  if (options.terms.is_of_one() && options.messages.size() != 1)
    refuse("--timer, --message-id and --expect-version are of one record; give one MESSAGE");
  if (!options.terms.timer.empty() && !options.terms.delay && !options.terms.at)
    refuse("--timer names a record that waits; give --delay or --at");
  if (options.terms.any() && options.durability != durability::disk)
    refuse("records with a time, an id or a version are always synced to disk; leave out --durability");
  if (!options.producer.empty())
    if (const result<> valid = protocol::check_producer_name(options.producer); !valid)
      refuse("--producer: " + valid.error().message);
  if (!options.producer.empty() && options.terms.any())
    refuse("--producer is not for records with a time, an id or a version");
  if (!options.key_separator.empty() && options.key) refuse("--key and --key-separator exclude each other");
  if (!options.key_separator.empty() && options.input != input_format::lines) {
    refuse("--key-separator is for --input lines");
  }
}

void add_format_options(CLI::App& command, pub_options& options) {
  static const std::map<std::string, input_format> inputs{
      {"lines", input_format::lines}, {"json", input_format::json}, {"raw", input_format::raw}};
  static const std::map<std::string, compression> compressions{
      {"none", compression::none}, {"lz4", compression::lz4}, {"zstd", compression::zstd}};
  static const std::map<std::string, durability> durabilities{{"memory", durability::memory},
                                                              {"disk", durability::disk}};
  const auto add = [&command](const std::string& name, auto& into, const auto& names, const std::string& text,
                              const std::string& type) {
    std::vector<std::string> words;
    words.reserve(names.size());
    for (const auto& [word, meaning] : names) words.push_back(word);
    command
        .add_option_function<std::string>(
            name, [&into, &names](const std::string& chosen) { into = names.at(chosen); }, text)
        ->check(one_of(words))
        ->type_name(type);
  };
  add("--input", options.input, inputs, "lines, json or raw; see below [lines]", "FORMAT");
  add("--compression", options.compression, compressions, "none, lz4 or zstd [none]", "NAME");
  add("--durability", options.durability, durabilities,
      "disk: acknowledged when synced; memory: when received [disk]", "NAME");
}

}  // namespace

void add_pub_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command = app.add_subcommand("pub", "Publish records to a topic")->group("Commands");
  const auto options = std::make_shared<pub_options>();
  command->add_option("TOPIC", options->topic, "The topic")->required()->type_name("");
  command->add_option("MESSAGE", options->messages, "Values to publish, instead of standard input")
      ->type_name("");
  command->add_option("-f,--file", options->file, "Read this file, instead of standard input")
      ->type_name("PATH");
  add_format_options(*command, *options);
  command->add_option("-k,--key", options->key, "The key of every record that has none")->type_name("KEY");
  command
      ->add_option("--key-separator", options->key_separator,
                   "In each line, what is before this text is the key")
      ->type_name("TEXT");
  command->add_option("-H,--header", options->header_texts, "Add a header to every record; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("-p,--partition", options->partition, "The partition of every record that names none")
      ->check(whole_number(0))
      ->type_name("N");
  add_parsed_option(*command, "--timestamp", options->time, parse_timestamp,
                    "The timestamp of every record that has none [when it is read]", "TIME");
  command
      ->add_option("--producer", options->producer,
                   "Publish under that name, and fence whoever published under it before")
      ->type_name("NAME");
  CLI::Option* delay = add_parsed_option(*command, "--delay", options->terms.delay, parse_duration,
                                         "Deliver that long after the broker has it", "DURATION");
  add_parsed_option(*command, "--at", options->terms.at, parse_timestamp, "Deliver at that time", "TIME")
      ->excludes(delay);
  add_parsed_option(*command, "--ttl", options->terms.ttl, parse_duration,
                    "Nobody is given it that long after its delivery began", "DURATION");
  command
      ->add_option("--timer", options->terms.timer,
                   "A name for a record that waits; setting it again replaces the record")
      ->type_name("OWNER/NAME");
  command
      ->add_option("--message-id", options->terms.message_id,
                   "Stored once: a partition that knows the id keeps the record it has")
      ->type_name("ID");
  command
      ->add_option("--expect-version", options->terms.expected_version,
                   "Fail unless the key has had so many records; the topic needs --index key")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()))
      ->type_name("N");
  command->footer(footer);
  command->callback([&globals, &chosen, options] {
    check(*options);
    options->headers = parse_headers("--header", options->header_texts);
    chosen = [&globals, options] { return publish(globals, *options); };
  });
}

}  // namespace skald::cli
