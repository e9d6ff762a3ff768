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
  if (!run.park_if_lost()) run.go_forward();
  return run.finish();
}

transition advance(const definition& of, instance state, const event& what, timestamp now, double random) {
  if (is_final(state.phase)) return {std::move(state), {}, {}, false};
  detail::engine_run run(of, std::move(state), now, random);
  if (!run.park_if_lost(&what)) std::visit([&](const auto& one) { run.on(one); }, what);
  return run.finish();
}

transition park(instance state, std::string why, timestamp now) {
  if (is_final(state.phase) || state.phase == phase::parked) return {std::move(state), {}, {}, false};
  state.parked_in = state.phase;
  state.phase = phase::parked;
  state.changed = now;
  std::string happened = "parked: " + why;
  state.why = std::move(why);
  return {std::move(state), {}, std::move(happened), true};
}

void migrate(const definition& to, instance& state, timestamp now) {
  if (state.version == to.version || is_final(state.phase)) return;
  const auto names = to.migrations.find(state.version.number);
  if (names == to.migrations.end()) return;
  std::size_t begun = 0;  // how many steps of the definition are behind the saga
  std::string lost;
  for (step_state& at : state.steps) {
    if (const auto renamed = names->second.find(at.name); renamed != names->second.end())
      at.name = renamed->second;
    if (to.script) continue;  // it is compared with the journal when it runs
    const auto known = std::ranges::find(to.steps, at.name, &step::name);
    if (known != to.steps.end()) {
      begun = std::max(begun, static_cast<std::size_t>(known - to.steps.begin()) + 1);
    } else if (at.progress != progress::skipped && at.progress != progress::failed &&
               at.progress != progress::undone && at.progress != progress::kept) {
      lost = at.name;
    }
  }
  // What was added before the place where the saga is does not concern it.
  for (std::size_t i = 0; i < begun; ++i) {
    if (state.find(to.steps[i].name) != nullptr) continue;
    step_state& at = state.steps.emplace_back();
    at.name = to.steps[i].name;
    at.progress = progress::skipped;
    at.began = at.changed = now;
    at.cause = "added by version " + std::to_string(to.version.number);
  }
  const std::uint32_t from = state.version.number;
  state.version = to.version;
  if (lost.empty() || state.phase == phase::parked) return;
  state.parked_in = state.phase;
  state.phase = phase::parked;
  state.why = "version " + std::to_string(to.version.number) + " has no step '" + lost +
              "', which has begun: map its name from version " + std::to_string(from);
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
