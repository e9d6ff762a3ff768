#include "tools/cli/saga_text.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "tools/cli/moment.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t why_width = 60;

std::string whole(std::string_view text) {
  return printable(text, 100'000);
}

std::string time_text(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

std::string definition_text(const sagas::instance& of) {
  return of.definition + " v" + std::to_string(of.version.number);
}

std::string age_text(timestamp from, timestamp to) {
  return format_age(to - from);
}

// Where it is: the steps that are neither done nor over.
std::string place(const sagas::instance& of) {
  if (sagas::is_final(of.phase)) return "";
  std::string text;
  for (const sagas::step_state& one : of.steps) {
    using sagas::progress;
    if (one.progress == progress::done || one.progress == progress::skipped ||
        one.progress == progress::undone || one.progress == progress::kept)
      continue;
    if (one.outcome) continue;
    if (one.progress == progress::failed && of.phase == sagas::phase::compensating) continue;
    text += (text.empty() ? "" : ",") + one.name;
  }
  return text;
}

}  // namespace

json::object to_json(const found_saga& of) {
  const sagas::instance& is = of.state;
  json::array steps;
  for (const sagas::step_state& one : is.steps) {
    json::object step{{"name", one.name},
                      {"progress", sagas::to_string(one.progress)},
                      {"attempts", one.attempts},
                      {"began", time_text(one.began)},
                      {"changed", time_text(one.changed)},
                      {"cause", whole(one.cause)}};
    if (one.alarm != 0) step["due"] = time_text(one.due);
    steps.push_back(std::move(step));
  }
  json::object made{{"id", whole(is.id)},
                    {"orchestrator", of.orchestrator},
                    {"definition", is.definition},
                    {"version", is.version.number},
                    {"state", sagas::to_string(is.phase)},
                    {"started", time_text(is.started)},
                    {"changed", time_text(is.changed)},
                    {"transitions", of.version},
                    {"forward_only", is.forward_only},
                    {"correlation", whole(is.correlation)},
                    {"why", whole(is.why)},
                    {"steps", std::move(steps)}};
  made["data"] = whole(is.data);
  return made;
}

json::array to_json(const std::vector<timeline_entry>& timeline) {
  json::array made;
  for (const timeline_entry& one : timeline)
    made.push_back(json::object{{"at", time_text(one.at)}, {"happened", whole(one.happened)}});
  return made;
}

std::string list_text(const std::vector<found_saga>& all, timestamp now) {
  table rows({"SAGA", "ORCHESTRATOR", "DEFINITION", "STATE", ">AGE", "AT", "WHY"});
  for (const found_saga& one : all) {
    const sagas::instance& is = one.state;
    rows.add({whole(is.id), one.orchestrator, definition_text(is), std::string(sagas::to_string(is.phase)),
              age_text(is.started, now), place(is), printable(is.why, why_width)});
  }
  return rows.text();
}

std::string show_text(const found_saga& of, const std::vector<timeline_entry>& timeline, timestamp now) {
  const sagas::instance& is = of.state;
  std::string text = whole(is.id) + ": " + definition_text(is) + " of " + of.orchestrator + ", " +
                     std::string(sagas::to_string(is.phase));
  if (!is.why.empty()) text += ": " + whole(is.why);
  text += "\nstarted " + time_text(is.started) + ", " + age_text(is.started, now) + " ago; data " +
          printable(is.data, 200) + "\n\n";
  table steps({"STEP", "PROGRESS", ">ATTEMPTS", ">TOOK", "DUE", "CAUSE"});
  for (const sagas::step_state& one : is.steps)
    steps.add({one.name, std::string(sagas::to_string(one.progress)), std::to_string(one.attempts),
               age_text(one.began, one.changed), one.alarm == 0 ? "" : time_text(one.due),
               printable(one.cause, why_width)});
  text += steps.text() + "\n";
  table events({"TIME", "HAPPENED"});
  for (const timeline_entry& one : timeline) events.add({time_text(one.at), whole(one.happened)});
  return text + events.text();
}

}  // namespace skald::cli
