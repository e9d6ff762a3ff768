#include "tools/cli/trace_text.hpp"

#include <boost/json.hpp>
#include <optional>
#include <skald/eventsourcing/event_stream.hpp>
#include <skald/saga/messages.hpp>
#include <skald/tracing.hpp>
#include <string_view>

#include "tools/cli/moment.hpp"
#include "tools/cli/record_format.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;
namespace headers = sagas::headers;

constexpr std::size_t name_width = 60;

// "customers" of "customers.commands".
std::string service_of(std::string_view topic) {
  for (const std::string_view suffix :
       {".commands", ".inbox", ".sagas", ".sagas.inputs", ".requests", ".replies"})
    if (topic.ends_with(suffix)) return std::string(topic.substr(0, topic.size() - suffix.size()));
  return {};
}

std::string text_of(std::optional<std::string_view> bytes) {
  return std::string(bytes.value_or(""));
}

// An input of an orchestrator, or what a participant has answered.
record_role saga_input(const record& one, std::string_view kind) {
  if (kind == "start") return {"start", text_of(sagas::find_header(one, headers::definition)), {}};
  if (kind == "timer" || kind == "order") return {std::string(kind), text_of(one.value()), {}};
  const std::string type = text_of(sagas::find_header(one, headers::reply));
  const bool failed = sagas::find_header(one, headers::failed).has_value();
  return {one.topic().ends_with(".inbox") ? "answer" : "reply",
          failed ? "failed: " + type : (type.empty() ? "done" : type),
          {}};
}

}  // namespace

record_role role_of(const record& one) {
  record_role made{"record", {}, {}};
  if (const auto kind = sagas::find_header(one, headers::kind)) {
    made = saga_input(one, *kind);
  } else if (const auto command = sagas::find_header(one, headers::command)) {
    made = {"command", std::string(*command), {}};
  } else if (const auto happened = sagas::find_header(one, headers::event)) {
    made = {"transition", std::string(*happened), {}};
  } else if (const auto type = sagas::find_header(one, eventsourcing::event_type_header)) {
    made = {"event", std::string(*type), {}};
  } else if (one.topic().ends_with(".requests")) {
    made.kind = "request";
  } else if (one.topic().ends_with(".replies")) {
    made.kind = "reply";
  }
  made.service = service_of(one.topic());
  return made;
}

std::string trace_text(const std::vector<record>& records, const std::vector<tree_line>& lines) {
  table rows({"TIME", "WHAT", "KEY", "SERVICE", "RECORD"});
  for (const tree_line& line : lines) {
    const record& one = records[line.record];
    const record_role role = role_of(one);
    std::string time;
    append_timestamp(time, one.time());
    const std::string name = role.name.empty() ? "" : " " + printable(role.name, name_width);
    rows.add({time, std::string(2 * line.depth, ' ') + role.kind + name,
              one.key() ? printable(*one.key()) : "-", role.service.empty() ? "-" : role.service,
              std::string(one.topic()) + "/" + std::to_string(one.partition().value()) + "/" +
                  std::to_string(one.offset().value())});
  }
  return rows.text();
}

json::array trace_json(const std::vector<record>& records, const std::vector<tree_line>& lines) {
  const record_format as_json = *record_format::parse("json");
  json::array all;
  for (const tree_line& line : lines) {
    const record& one = records[line.record];
    const record_role role = role_of(one);
    output_record plain;
    plain.partition = one.partition();
    plain.offset = one.offset();
    plain.timestamp = one.time();
    plain.key = one.key();
    plain.value = one.value();
    for (const header& each : one.headers()) plain.headers.push_back(each);
    std::string text;
    as_json.append(text, one.topic(), plain);
    json::object made = json::parse(text).as_object();
    constexpr std::size_t all_of_it = 100'000;
    made["id"] = printable(tracing::message_id_of(one), all_of_it);
    const auto cause = tracing::find_header(one, tracing::causation_id_header);
    made["caused_by"] = cause ? json::value(printable(*cause, all_of_it)) : json::value();
    made["depth"] = line.depth;
    made["kind"] = role.kind;
    made["name"] = printable(role.name, all_of_it);
    made["service"] = role.service;
    all.push_back(std::move(made));
  }
  return all;
}

}  // namespace skald::cli
