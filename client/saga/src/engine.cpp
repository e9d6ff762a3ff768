#include "skald/saga/engine.hpp"

#include <algorithm>
#include <utility>

#include "client/saga/src/engine_run.hpp"

namespace skald::sagas {

namespace {

local_ended perform(const definition& of, const instance& state, const run_local& what,
                    std::vector<outgoing>& records) {
  local_ended made{.step = what.step, .data = state.data};
  const definition asked = of.script ? detail::plan_of(of, state) : definition{};
  const step* known = (of.script ? asked : of).find(what.step);
  const action& does = what.undo ? *known->undo : known->act;
  local_step doing(state.id, what.step, what.attempt);
  try {
    does.local(made.data, doing);
    made.result = std::move(doing.result());
    std::ranges::move(doing.records(), std::back_inserter(records));
  } catch (const step_failed& why) {
    made.what = local_ended::outcome::failed;
    made.why = why.what();
  } catch (const std::exception& why) {
    made.what = local_ended::outcome::unknown;
    made.why = why.what();
  }
  return made;
}

bool is_over(progress is) {
  return is == progress::skipped || is == progress::failed || is == progress::undone || is == progress::kept;
}

std::string named(const definition& of) {
  return "version " + std::to_string(of.version.number);
}

std::string taken_over_by(const definition& of) {
  return "taken over by " + named(of);
}

// Gives the steps of an instance of another version the names that they have in `to`. Why that cannot be;
// then nothing has changed.
std::string take_names_over(const definition& to, instance& state, timestamp now) {
  const std::string from = "version " + std::to_string(state.version.number);
  const auto names = to.migrations.find(state.version.number);
  if (names == to.migrations.end()) return named(to) + " does not say how it takes over " + from;
  std::vector<step_state> steps = state.steps;
  std::size_t begun = 0;  // how many steps of the definition are behind the saga
  for (step_state& at : steps) {
    if (const auto renamed = names->second.find(at.name); renamed != names->second.end())
      at.name = renamed->second;
    if (to.script) continue;  // it is compared with the journal when it runs
    const auto known = std::ranges::find(to.steps, at.name, &step::name);
    if (known != to.steps.end()) {
      begun = std::max(begun, static_cast<std::size_t>(known - to.steps.begin()) + 1);
    } else if (!is_over(at.progress)) {
      return named(to) + " has no step '" + at.name + "', which has begun: map its name from " + from;
    }
  }
  // What was added before the place where the saga is does not concern it.
  for (std::size_t i = 0; i < begun; ++i) {
    if (std::ranges::find(steps, to.steps[i].name, &step_state::name) != steps.end()) continue;
    step_state& at = steps.emplace_back();
    at.name = to.steps[i].name;
    at.progress = progress::skipped;
    at.began = at.changed = now;
    at.cause = "added by " + named(to);
  }
  state.steps = std::move(steps);
  state.version = to.version;
  return {};
}

bool is_waited_for(progress is, phase direction) {
  if (direction == phase::compensating) return is == progress::undoing || is == progress::undo_pausing;
  return is == progress::acting || is == progress::pausing || is == progress::unknown;
}

// How a definition that was changed under its old version lacks what an instance waits for. (A coroutine is
// compared with its journal when it runs.)
std::string why_lost(const definition& of, const instance& state) {
  if (of.script) return {};
  const phase direction = state.phase == phase::parked ? state.parked_in : state.phase;
  for (const step_state& at : state.steps)
    if (is_waited_for(at.progress, direction) && of.find(at.name) == nullptr)
      return named(of) + " has no step '" + at.name + "' any more, which has begun";
  return {};
}

}  // namespace

std::string_view to_string(ordered::order of) {
  switch (of) {
    case ordered::order::retry:
      return "retry";
    case ordered::order::skip:
      return "skip";
    case ordered::order::compensate:
      return "compensate";
    case ordered::order::abort:
      break;
  }
  return "abort";
}

std::optional<ordered::order> parse_order(std::string_view text) {
  using order = ordered::order;
  for (const order one : {order::retry, order::skip, order::compensate, order::abort})
    if (to_string(one) == text) return one;
  return std::nullopt;
}

std::string why_not(const instance& of, ordered::order what) {
  using order = ordered::order;
  if (is_final(of.phase)) return "it is " + std::string(to_string(of.phase)) + ", which is final";
  const bool parked = of.phase == phase::parked;
  const bool pauses = std::ranges::any_of(of.steps, [](const step_state& at) {
    return at.progress == progress::pausing || at.progress == progress::undo_pausing;
  });
  if (what == order::retry && !parked && !pauses) return "nothing of it waits to be tried again";
  if (what == order::skip && !parked) return "it is " + std::string(to_string(of.phase)) + ", not parked";
  if (what != order::compensate) return {};
  if ((parked ? of.parked_in : of.phase) == phase::compensating) return "it compensates already";
  return of.forward_only ? "its pivot is done: it only goes forward" : "";
}

transition start(const definition& of, std::string id, std::string data, std::string correlation,
                 timestamp now, double random) {
  instance state;
  state.correlation = correlation.empty() ? id : std::move(correlation);
  state.id = std::move(id);
  state.definition = of.name;
  state.version = of.version;
  state.data = std::move(data);
  state.started = now;
  detail::engine_run run(of, std::move(state), now, random);
  run.note("started");
  if (!run.hold_if_lost()) run.go_forward();
  return run.finish();
}

transition advance(const definition& of, instance state, const event& what, timestamp now, double random) {
  if (is_final(state.phase)) return {std::move(state), {}, {}, false};
  const bool is_other = state.version != of.version;
  std::string why = is_other ? take_names_over(of, state, now) : std::string();
  if (why.empty()) why = why_lost(of, state);
  if (!why.empty()) return hold(std::move(state), what, why, now);
  detail::engine_run run(of, std::move(state), now, random);
  if (is_other) run.note(taken_over_by(of));
  if (!run.hold_if_lost(&what)) std::visit([&](const auto& one) { run.on(one); }, what);
  return run.finish();
}

transition take_over(const definition& to, instance state, timestamp now) {
  if (state.version == to.version || is_final(state.phase)) return {std::move(state), {}, {}, false};
  const std::string why = take_names_over(to, state, now);
  const definition none;
  detail::engine_run run(none, std::move(state), now, 0);
  why.empty() ? run.note(taken_over_by(to)) : run.hold(nullptr, why);
  return run.finish();
}

transition hold(instance state, const event& what, const std::string& why, timestamp now) {
  if (is_final(state.phase)) return {std::move(state), {}, {}, false};
  const definition none;
  detail::engine_run run(none, std::move(state), now, 0);
  run.hold(&what, why);
  return run.finish();
}

transition perform_locals(const definition& of, transition made, timestamp now, double random,
                          std::vector<outgoing>& records) {
  std::vector<effect> left;
  std::vector<effect> todo = std::move(made.effects);
  for (std::size_t i = 0; i < todo.size(); ++i) {
    if (!std::holds_alternative<run_local>(todo[i])) {
      left.push_back(std::move(todo[i]));
      continue;
    }
    const local_ended ended = perform(of, made.next, std::get<run_local>(todo[i]), records);
    transition next = advance(of, std::move(made.next), ended, now, random);
    made.next = std::move(next.next);
    if (next.changed) made.happened += "; " + next.happened;
    std::ranges::move(next.effects, std::back_inserter(todo));
  }
  made.effects = std::move(left);
  return made;
}

}  // namespace skald::sagas
