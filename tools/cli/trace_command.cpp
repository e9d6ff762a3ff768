// skald trace
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <skald/protocol/topic_pattern.hpp>
#include <skald/tracing.hpp>

#include "tools/cli/command.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/text_encoding.hpp"
#include "tools/cli/trace_text.hpp"

namespace skald::cli {
namespace {

constexpr const char* footer =
    R"(ID is a correlation id: that of a request, of an order, or of a saga, whose default is its own id. The id of a
record that belongs to something (its header message-id, or its place TOPIC/PARTITION/OFFSET) does as well:
then all of what it belongs to is shown.

Records are found by the header correlation-id, which the broker looks for, so that only they travel; it reads
all of the topics for that. --topic and --since spare it what cannot be part of it.

Causes stand before what they caused, which is indented. Sagas, their participants, choreography, outboxes
and durable requests set the headers by themselves.

Examples:
  skald trace order-42
  skald trace order-42 --since 1h --topic 'orders.>' --topic customer-events
  skald trace orders.sagas.inputs/0/17
  skald trace order-42 --output json | jq -r '.[].name')";

// How much the broker looks through before it answers.
constexpr std::uint32_t scan_bytes = 8 << 20;

struct trace_options {
  std::string id;
  std::vector<std::string> topics;
  std::optional<timestamp> since;
};

// "1h" before `now`, or a time.
result<timestamp> parse_since(const std::string& text, timestamp now) {
  if (const auto ago = parse_duration(text)) return now - *ago;
  return parse_timestamp(text);
}

struct place {
  std::string topic;
  partition_id partition;
  skald::offset offset;
};

// TOPIC/PARTITION/OFFSET; topics have no slashes.
std::optional<place> parse_place(std::string_view text) {
  const std::size_t first = text.find('/');
  const std::size_t second = text.find('/', first == std::string_view::npos ? first : first + 1);
  if (first == 0 || second == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits, auto& into) {
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return failed == std::errc() && end == digits.data() + digits.size();
  };
  std::uint32_t partition = 0;
  std::uint64_t at = 0;
  if (!number(text.substr(first + 1, second - first - 1), partition) || !number(text.substr(second + 1), at))
    return std::nullopt;
  return place{std::string(text.substr(0, first)), partition_id(partition), offset(at)};
}

// The topics to look at and where to begin in each partition.
class scan {
 public:
  scan(blocking_client& broker, const trace_options& options) : broker_(broker), options_(options) {
    for (const topic_info& topic : broker.list_topics())
      if (is_wanted(topic.name)) topics_.push_back(topic.name);
  }
  bool has_topics() const { return !topics_.empty(); }

  // All records with this header.
  std::vector<record> find(std::string_view name, const std::string& value) {
    std::vector<record> found;
    const std::array wanted{header{name, value}};
    for (const std::string& topic : topics_) {
      try {
        find_in(topic, wanted, found);
      } catch (const error& why) {
        // One that was deleted meanwhile has nothing to show.
        if (why.code() != errc::unknown_topic) throw about(topic, why);
      }
    }
    return found;
  }

 private:
  bool is_wanted(const std::string& topic) const {
    if (options_.topics.empty()) return true;
    return std::ranges::any_of(options_.topics, [&](const std::string& text) {
      return protocol::is_pattern(text) ? protocol::topic_pattern::parse(text).value().matches(topic)
                                        : text == topic;
    });
  }
  void find_in(const std::string& topic, std::span<const header> wanted, std::vector<record>& found) {
    const start_point from = options_.since ? start_point(*options_.since) : earliest;
    const std::vector<partition_offset> ends = broker_.list_offsets(topic, {.at = latest});
    const std::vector<partition_offset> begins = broker_.list_offsets(topic, {.at = from});
    for (std::size_t i = 0; i < std::min(begins.size(), ends.size()); ++i)
      for (offset at = begins[i].offset; at < ends[i].offset;) {
        const records some = broker_.fetch(topic, begins[i].partition, at,
                                           {.bytes_max = scan_bytes, .filter = {.headers = wanted}});
        for (const record& one : some) found.push_back(one);
        if (some.end_offset() <= at) break;
        at = some.end_offset();
      }
  }

  blocking_client& broker_;
  const trace_options& options_;
  std::vector<std::string> topics_;
};

std::optional<record> record_at(blocking_client& broker, const std::string& id) {
  const std::optional<place> at = parse_place(id);
  if (!at) return std::nullopt;
  try {
    for (const record& one : broker.fetch(at->topic, at->partition, at->offset, {.bytes_max = 1}))
      if (one.offset() == at->offset) return one;
  } catch (const error& why) {
    if (why.code() != errc::unknown_topic && why.code() != errc::unknown_partition &&
        why.code() != errc::offset_out_of_range)
      throw;
  }
  return std::nullopt;
}

// The records with that message id, be it their place or a header.
std::vector<record> known_by(blocking_client& broker, scan& over, const std::string& id) {
  if (std::optional<record> one = record_at(broker, id)) return {*std::move(one)};
  return over.find(tracing::message_id_header, id);
}

bool is_caused_by_unknown(const std::vector<record>& found, const std::string& id) {
  bool caused = false;
  for (const record& one : found) {
    if (tracing::message_id_of(one) == id) return false;
    caused |= tracing::find_header(one, tracing::causation_id_header) == id;
  }
  return caused;
}

// What has the correlation id, or belongs to the same as the record with that id; and what began it, which
// may belong to nothing.
std::vector<record> collect(blocking_client& broker, const trace_options& options, scan& over) {
  std::string id = options.id;
  std::vector<record> found = over.find(tracing::correlation_id_header, id);
  if (!found.empty() && !is_caused_by_unknown(found, id)) return found;
  const std::vector<record> known = known_by(broker, over, id);
  if (found.empty() && !known.empty()) {
    id = tracing::caused_by(known.front()).correlation_id;
    if (id != options.id) {
      found = over.find(tracing::correlation_id_header, id);
      if (is_caused_by_unknown(found, id))
        for (const record& root : known_by(broker, over, id)) found.push_back(root);
      return found;
    }
  }
  found.insert(found.end(), known.begin(), known.end());
  return found;
}

exit_code trace(const global_options& globals, const trace_options& options) {
  blocking_client broker = connect(globals);
  scan over(broker, options);
  const std::vector<record> found = collect(broker, options, over);
  if (found.empty()) {
    if (!over.has_topics() && !options.topics.empty())
      throw command_error(exit_code::failed, "there is no topic of these names; see: skald topic list");
    const std::string where = options.topics.empty() ? "no topic" : "none of these topics";
    throw command_error(exit_code::failed, "'" + printable(options.id) + "': " + where +
                                               " has a record that belongs to it" +
                                               (options.since ? ", or none since then" : ""));
  }
  std::vector<traced_place> places;
  places.reserve(found.size());
  for (const record& one : found)
    places.push_back(
        {.id = tracing::message_id_of(one),
         .cause = std::string(tracing::find_header(one, tracing::causation_id_header).value_or("")),
         .time = one.time(),
         .topic = std::string(one.topic()),
         .partition = one.partition().value(),
         .offset = one.offset().value()});
  const std::vector<tree_line> lines = arrange(places);
  print(globals.json ? boost::json::serialize(trace_json(found, lines)) + "\n" : trace_text(found, lines));
  return exit_code::ok;
}

}  // namespace

void add_trace_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command =
      app.add_subcommand("trace", "Show all that one request has caused, across topics")->group("Commands");
  const auto options = std::make_shared<trace_options>();
  command->add_option("ID", options->id, "The correlation id, or the id of a record")
      ->required()
      ->type_name("");
  command
      ->add_option("--topic", options->topics,
                   "Only this topic, or those of a pattern such as 'orders.>'; may be repeated [all]")
      ->allow_extra_args(false)
      ->check(CLI::Validator(
          [](const std::string& text) {
            if (!protocol::is_pattern(text)) return std::string();
            const auto parsed = protocol::topic_pattern::parse(text);
            return parsed ? std::string() : parsed.error().message;
          },
          ""))
      ->type_name("TOPIC");
  add_parsed_option(
      *command, "--since", options->since,
      [](const std::string& text) {
        return parse_since(text, std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
      },
      "Only records that young, as in 1h, or since a time", "DURATION|TIME");
  command->footer(footer);
  command->callback(
      [&globals, &chosen, options] { chosen = [&globals, options] { return trace(globals, *options); }; });
}

}  // namespace skald::cli
