#include "skald/saga/definition.hpp"

#include <algorithm>
#include <set>

#include <skald/protocol/error.hpp>

namespace skald::sagas {

namespace {

// A name is part of the names of timers and of ids, which have an end.
constexpr std::size_t name_bytes_max = 60;

[[noreturn]] void refuse(const definition& what, const std::string& why) {
  throw error(errc::invalid_settings,
              "saga '" + what.name + "' version " + std::to_string(what.version.number) + ": " + why);
}

// Why it is no name; empty: it is one.
std::string why_no_name(const std::string& name) {
  if (!name.empty() && name.size() <= name_bytes_max && name.find_first_of("/#") == std::string::npos)
    return {};
  return "a name has 1 to 60 bytes, without / and #: '" + name + "'";
}

std::string why_no_action(const step& at, const action& does) {
  if (!does.is_local() && (does.participant.empty() || does.command.empty() || !does.make))
    return "step '" + at.name + "' has nothing to do: give it local() or call()";
  if (does.retry.max_attempts == 0 || does.timeout <= milliseconds(0))
    return "step '" + at.name + "' needs at least one attempt, and time for it";
  return {};
}

std::string why_no_step(const step& at) {
  if (std::string why = why_no_name(at.name); !why.empty()) return why;
  const bool only_undoes = at.undo && at.act.is_nothing();
  if (std::string why = why_no_action(at, at.act); !only_undoes && !why.empty()) return why;
  return at.undo ? why_no_action(at, *at.undo) : std::string();
}

std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) made += c == '"' ? '\'' : c;
  return made + "\"";
}

}  // namespace

const step* definition::find(std::string_view step_name) const {
  const auto at = std::ranges::find(steps, step_name, &step::name);
  return at == steps.end() ? nullptr : &*at;
}

void definition::check() const {
  if (const std::string why = why_no_name(name); !why.empty()) refuse(*this, why);
  if (script && steps.empty()) return;
  if (script) refuse(*this, "it is a coroutine, and has steps of its own, too");
  if (steps.empty()) refuse(*this, "there are no steps");
  if (steps.front().beside) refuse(*this, "the first step has none to be beside of");
  std::set<std::string_view> names;
  std::size_t pivots = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const step& at = steps[i];
    if (!names.insert(at.name).second) refuse(*this, "two steps are called '" + at.name + "'");
    if (const std::string why = why_no_step(at); !why.empty()) refuse(*this, why);
    if (!at.pivot) continue;
    if (++pivots > 1) refuse(*this, "there is one pivot at most");
    if (at.beside || (i + 1 < steps.size() && steps[i + 1].beside))
      refuse(*this, "the pivot '" + at.name + "' runs alone");
  }
}

void detail::check_step(const step& what) {
  if (const std::string why = why_no_step(what); !why.empty()) throw error(errc::invalid_settings, why);
}

std::string to_mermaid(const definition& of) {
  std::string made =
      "flowchart TD\n  begin([" + quoted(of.name + " v" + std::to_string(of.version.number)) + "])\n";
  if (of.script) {
    made += "  code[" + quoted("a coroutine") + "]\n  begin --> code\n";
    for (std::size_t i = 0; i < of.participants.size(); ++i)
      made += "  code <-.-> p" + std::to_string(i) + "[" + quoted(of.participants[i]) + "]\n";
    return made + "  code --> completed([completed])\n  code -.-> compensated([compensated])\n";
  }
  const auto node = [](std::size_t i) { return "s" + std::to_string(i); };
  std::vector<std::string> before{"begin"};
  std::vector<std::string> stage;
  std::string undo_before = "compensated";
  for (std::size_t i = 0; i < of.steps.size(); ++i) {
    const step& at = of.steps[i];
    const bool here = at.act.is_local() || at.act.is_nothing();
    const std::string what = here ? "" : "\n" + at.act.participant + ": " + at.act.command;
    const bool alone = at.condition == nullptr;
    made += "  " + node(i) + (alone ? "[" : "{{") + quoted(at.name + (at.pivot ? " (pivot)" : "") + what) +
            (alone ? "]\n" : "}}\n");
    if (!at.beside && !stage.empty()) before = std::exchange(stage, {});
    for (const std::string& from : before) made += "  " + from + " --> " + node(i) + "\n";
    stage.push_back(node(i));
    if (!at.undo) continue;
    const std::string by = at.undo->is_local() ? "local" : at.undo->participant + ": " + at.undo->command;
    made += "  u" + std::to_string(i) + "[" + quoted("undo " + at.name + "\n" + by) + "]\n";
    made += "  " + node(i) + " -. undo .-> u" + std::to_string(i) + "\n";
    made += "  u" + std::to_string(i) + " -.-> " + undo_before + "\n";
    undo_before = "u" + std::to_string(i);
  }
  for (const std::string& last : stage) made += "  " + last + " --> completed\n";
  return made + "  completed([completed])\n  compensated([compensated])\n";
}

// ---- the registry ----------------------------------------------------------------------------------------

void registry::add(definition what) {
  what.check();
  auto& versions = by_name_[what.name];
  const std::uint32_t number = what.version.number;
  if (versions.contains(number)) refuse(what, "it is registered already");
  versions.emplace(number, std::make_shared<const definition>(std::move(what)));
}

std::shared_ptr<const definition> registry::newest(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second.rbegin()->second;
}

std::shared_ptr<const definition> registry::find(std::string_view name, sagas::version version) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  const auto one = found->second.find(version.number);
  return one == found->second.end() ? nullptr : one->second;
}

std::shared_ptr<const definition> registry::for_instance(std::string_view name,
                                                         sagas::version version) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  for (auto one = found->second.rbegin(); one != found->second.rend(); ++one)
    if (one->first > version.number && one->second->migrations.contains(version.number)) return one->second;
  return find(name, version);
}

std::vector<std::shared_ptr<const definition>> registry::all() const {
  std::vector<std::shared_ptr<const definition>> made;
  for (const auto& [name, versions] : by_name_)
    for (const auto& [number, one] : versions) made.push_back(one);
  return made;
}

std::vector<std::string> registry::participants() const {
  std::set<std::string> names;
  for (const auto& one : all()) {
    names.insert(one->participants.begin(), one->participants.end());
    for (const step& at : one->steps) {
      if (!at.act.is_local() && !at.act.is_nothing()) names.insert(at.act.participant);
      if (at.undo && !at.undo->is_local()) names.insert(at.undo->participant);
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace skald::sagas
