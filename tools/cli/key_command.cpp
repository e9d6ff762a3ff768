// skald get, skald events, skald keys: topics with an index of keys, read by key.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <memory>

#include "tools/cli/command.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/record_format.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

struct key_options {
  std::string topic;
  std::string key;
  std::string prefix;
  std::uint64_t from_version = 1;
  std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
  std::optional<record_format> format;
};

const record_format& format_of(const global_options& globals, const key_options& options) {
  static const record_format json_format = *record_format::parse("json");
  static const record_format text_format = *record_format::parse("text");
  if (globals.json) return json_format;
  return options.format ? *options.format : text_format;
}

void write(output_buffer& to, const record_format& format, const std::string& topic, const record& one) {
  const output_record shown{one.partition(), one.offset(), one.time(),
                            one.key(),       one.value(),  {one.headers().begin(), one.headers().end()}};
  format.append(to.bytes(), topic, shown);
  to.written();
}

exit_code get(const global_options& globals, const key_options& options) {
  blocking_client broker = connect(globals);
  const key_records found = about_topic(
      options.topic, [&] { return broker.read_key(options.topic, options.key, {.latest = true}); });
  output_buffer output(STDOUT_FILENO);
  for (const record& one : found.records) {
    if (!one.value())
      throw command_error(
          exit_code::failed,
          "topic '" + options.topic + "': the key was removed, at version " + std::to_string(found.version));
    write(output, format_of(globals, options), options.topic, one);
  }
  output.flush();
  return exit_code::ok;
}

exit_code events(const global_options& globals, const key_options& options) {
  blocking_client broker = connect(globals);
  output_buffer output(STDOUT_FILENO);
  std::uint64_t from = options.from_version;
  for (std::uint64_t left = options.count; left > 0;) {
    const auto limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, 1'000));
    const key_records found = about_topic(options.topic, [&] {
      return broker.read_key(options.topic, options.key, {.from_version = from, .limit = limit});
    });
    for (const record& one : found.records) write(output, format_of(globals, options), options.topic, one);
    if (found.versions.empty() || found.versions.back() == found.version) break;
    left -= found.versions.size();
    from = found.versions.back() + 1;
  }
  output.flush();
  return exit_code::ok;
}

exit_code keys(const global_options& globals, const key_options& options) {
  blocking_client broker = connect(globals);
  const std::vector<key_info> all =
      about_topic(options.topic, [&] { return broker.list_keys(options.topic, {.prefix = options.prefix}); });
  output_buffer output(STDOUT_FILENO);
  for (const key_info& one : all) {
    if (globals.json) {
      json::object line;
      std::string key;
      if (is_utf8(one.key)) {
        line["key"] = one.key;
      } else {
        append_base64(key, one.key);
        line["key_base64"] = key;
      }
      line["version"] = one.version;
      line["partition"] = one.partition.value();
      line["offset"] = one.latest.value();
      output.bytes() += json::serialize(line);
    } else {
      output.bytes() += one.key;
    }
    output.bytes() += '\n';
    output.written();
  }
  output.flush();
  return exit_code::ok;
}

void add_topic(CLI::App& command, key_options& options) {
  command.add_option("TOPIC", options.topic, "A topic with an index of keys")->required()->type_name("");
}

void add_key(CLI::App& command, key_options& options) {
  command.add_option("KEY", options.key, "The key")->required()->type_name("");
}

void add_format(CLI::App& command, key_options& options) {
  add_parsed_option(command, "--format", options.format, record_format::parse,
                    "text, json, raw or a template, as in skald sub [text]", "FORMAT");
}

}  // namespace

void add_key_commands(CLI::App& app, const global_options& globals, action& chosen) {
  const auto options = std::make_shared<key_options>();
  const auto run = [&globals, &chosen,
                    options](exit_code (*what)(const global_options&, const key_options&)) {
    return [&globals, &chosen, options, what] {
      chosen = [&globals, options, what] { return what(globals, *options); };
    };
  };

  CLI::App* latest = app.add_subcommand("get", "Write the newest record of a key")->group("Commands");
  add_topic(*latest, *options);
  add_key(*latest, *options);
  add_format(*latest, *options);
  latest->footer(
      "The topic needs an index of keys: skald topic create TOPIC --index key. Fails when no record has the\n"
      "key, or the newest one has no value.\n\n"
      "Examples:\n"
      "  skald get customers 42\n"
      "  skald get customers 42 --format json | jq .headers");
  latest->callback(run(get));

  CLI::App* stream = app.add_subcommand("events", "Write the records of a key, in order")->group("Commands");
  add_topic(*stream, *options);
  add_key(*stream, *options);
  stream->add_option("--from-version", options->from_version, "Begin with this one; the first is 1 [1]")
      ->check(whole_number(1, std::numeric_limits<std::uint64_t>::max()))
      ->type_name("N");
  stream->add_option("-n,--count", options->count, "At most so many records")
      ->check(whole_number(1, std::numeric_limits<std::uint64_t>::max()))
      ->type_name("N");
  add_format(*stream, *options);
  stream->footer(
      "Examples:\n"
      "  skald events orders 42\n"
      "  skald events orders 42 --from-version 3 --format '%o %v'");
  stream->callback(run(events));

  CLI::App* list = app.add_subcommand("keys", "List the keys of a topic")->group("Commands");
  add_topic(*list, *options);
  list->add_option("--prefix", options->prefix, "Only keys that begin with this")->type_name("TEXT");
  list->footer(
      "In byte order, one a line, without those whose newest record has no value.\n\n"
      "Examples:\n"
      "  skald keys customers\n"
      "  skald keys customers --prefix de/ --output json | jq .version");
  list->callback(run(keys));
}

}  // namespace skald::cli
