#include "skald/saga/instance.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include <skald/protocol/error.hpp>

namespace skald::sagas {

namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 6> phases{"running",   "compensating", "parked",
                                                 "completed", "compensated",  "aborted"};
constexpr std::array<std::string_view, 11> all_progress{"acting", "pausing",     "done",    "skipped",
                                                        "failed", "unknown",     "undoing", "undo-pausing",
                                                        "undone", "undo-failed", "kept"};

std::int64_t number(timestamp at) {
  return at.time_since_epoch().count();
}

timestamp time_at(const json::object& of, std::string_view name) {
  return timestamp(milliseconds(of.at(name).as_int64()));
}

template <class Number>
Number number_at(const json::object& of, std::string_view name) {
  return of.at(name).to_number<Number>();
}

template <std::size_t n>
std::size_t index_of(const std::array<std::string_view, n>& words, std::string_view word) {
  const auto at = std::ranges::find(words, word);
  if (at == words.end())
    throw error(errc::invalid_request, "the state of a saga holds '" + std::string(word) +
                                           "', which this version does not know: update the program");
  return static_cast<std::size_t>(at - words.begin());
}

// JSON holds text only; ids, and what participants say, may be any bytes. They stay readable where they are
// ASCII: a byte is the code point of its number.
std::string to_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
      continue;
    }
    text += static_cast<char>(0xC0 | byte >> 6);
    text += static_cast<char>(0x80 | (byte & 0x3F));
  }
  return text;
}

std::string to_bytes(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      bytes += text[i];
      continue;
    }
    if (lead > 0xC3 || i + 1 == text.size()) throw std::runtime_error("its text is not as it was written");
    bytes += static_cast<char>(lead << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F));
  }
  return bytes;
}

std::string bytes_at(const json::object& of, std::string_view name) {
  const json::string& text = of.at(name).as_string();
  return to_bytes({text.data(), text.size()});
}

phase phase_at(const json::object& of, std::string_view name) {
  return static_cast<phase>(index_of(phases, bytes_at(of, name)));
}

json::object encode(const step_outcome& of) {
  return {
      {"failed", of.failed}, {"skipped", of.skipped}, {"type", to_text(of.type)}, {"body", to_text(of.body)}};
}

step_outcome decode_outcome(const json::object& from) {
  return {.failed = from.at("failed").as_bool(),
          .skipped = from.at("skipped").as_bool(),
          .type = bytes_at(from, "type"),
          .body = bytes_at(from, "body")};
}

json::object encode(const step_state& of) {
  json::object made{{"name", to_text(of.name)},
                    {"progress", to_string(of.progress)},
                    {"attempts", of.attempts},
                    {"command", to_text(of.command)},
                    {"undo_command", to_text(of.undo_command)},
                    {"intents", of.intents},
                    {"undo_intents", of.undo_intents},
                    {"alarm", of.alarm},
                    {"began", number(of.began)},
                    {"changed", number(of.changed)},
                    {"due", number(of.due)},
                    {"cause", to_text(of.cause)}};
  if (of.outcome) made["outcome"] = encode(*of.outcome);
  return made;
}

step_state decode_step(const json::object& from) {
  step_state made;
  made.name = bytes_at(from, "name");
  made.progress = static_cast<progress>(index_of(all_progress, bytes_at(from, "progress")));
  made.attempts = number_at<std::uint32_t>(from, "attempts");
  made.command = bytes_at(from, "command");
  made.undo_command = bytes_at(from, "undo_command");
  made.intents = number_at<std::uint32_t>(from, "intents");
  made.undo_intents = number_at<std::uint32_t>(from, "undo_intents");
  made.alarm = number_at<std::uint64_t>(from, "alarm");
  made.began = time_at(from, "began");
  made.changed = time_at(from, "changed");
  made.due = time_at(from, "due");
  made.cause = bytes_at(from, "cause");
  if (const json::value* outcome = from.if_contains("outcome"))
    made.outcome = decode_outcome(outcome->as_object());
  return made;
}

instance decode_object(const json::object& from) {
  instance made;
  made.definition = bytes_at(from, "definition");
  made.version = {number_at<std::uint32_t>(from, "version")};
  made.phase = phase_at(from, "phase");
  made.parked_in = phase_at(from, "parked_in");
  made.forward_only = from.at("forward_only").as_bool();
  for (const json::value& one : from.at("steps").as_array())
    made.steps.push_back(decode_step(one.as_object()));
  made.correlation = bytes_at(from, "correlation");
  made.started = time_at(from, "started");
  made.changed = time_at(from, "changed");
  made.why = bytes_at(from, "why");
  made.alarms = number_at<std::uint64_t>(from, "alarms");
  return made;
}

}  // namespace

std::string_view to_string(phase of) {
  return phases[static_cast<std::size_t>(of)];
}

std::optional<phase> parse_phase(std::string_view text) {
  const auto at = std::ranges::find(phases, text);
  if (at == phases.end()) return std::nullopt;
  return static_cast<phase>(at - phases.begin());
}

std::string_view to_string(progress of) {
  return all_progress[static_cast<std::size_t>(of)];
}

step_state* instance::find(std::string_view step_name) {
  const auto at = std::ranges::find(steps, step_name, &step_state::name);
  return at == steps.end() ? nullptr : &*at;
}

std::string encode_state(const instance& of) {
  json::array steps;
  for (const step_state& one : of.steps) steps.push_back(encode(one));
  return json::serialize(json::object{{"definition", to_text(of.definition)},
                                      {"version", of.version.number},
                                      {"phase", to_string(of.phase)},
                                      {"parked_in", to_string(of.parked_in)},
                                      {"forward_only", of.forward_only},
                                      {"steps", std::move(steps)},
                                      {"correlation", to_text(of.correlation)},
                                      {"started", number(of.started)},
                                      {"changed", number(of.changed)},
                                      {"why", to_text(of.why)},
                                      {"alarms", of.alarms}});
}

instance decode_state(std::string_view text, std::string_view id, std::string_view data) {
  try {
    instance made = decode_object(json::parse({text.data(), text.size()}).as_object());
    made.id = id;
    made.data = data;
    return made;
  } catch (const error&) {
    throw;
  } catch (const std::exception& why) {
    throw error(errc::invalid_request,
                "the state of saga '" + std::string(id) + "' makes no sense: " + why.what());
  }
}

}  // namespace skald::sagas
