#include "client/saga/src/engine_run.hpp"

#include <algorithm>
#include <utility>

namespace skald::sagas::detail {

namespace {

// How a failed attempt is spoken of.
std::string in_words(const step_state& at, bool undo) {
  return (undo ? "compensation of '" : "'") + at.name + "'";
}

// What a participant says went wrong. Causes go with the instance from then on: of its body only as much as
// people read, and nothing where somebody else reads it.
std::string cause_in(const replied& reply, bool with_body) {
  constexpr std::size_t body_bytes_max = 200;
  std::string why = reply.type.empty() ? "the participant answered that it failed" : reply.type;
  if (reply.body.empty() || !with_body) return why;
  why += ": " + reply.body.substr(0, body_bytes_max);
  return reply.body.size() > body_bytes_max ? why + "..." : why;
}

bool is_on_its_way(progress is) {
  return is == progress::acting || is == progress::pausing;
}

bool is_settled_badly(progress is) {
  return is == progress::failed || is == progress::unknown;
}

}  // namespace

engine_run::engine_run(const definition& of, instance state, timestamp now, double random)
    : of_(of), plan_(of.script ? asked_ : of), state_(std::move(state)), now_(now), random_(random) {
  if (of.script) unroll();
}

void engine_run::note(std::string_view text) {
  if (!happened_.empty()) happened_ += "; ";
  happened_ += text;
}

transition engine_run::finish() {
  const bool changed = !happened_.empty();
  if (changed) state_.changed = now_;
  return {std::move(state_), std::move(effects_), std::move(happened_), changed};
}

// ---- forward ---------------------------------------------------------------------------------------------

std::size_t engine_run::stage_end(std::size_t from) const {
  std::size_t to = from + 1;
  while (to < plan_.steps.size() && plan_.steps[to].beside) ++to;
  return to;
}

void engine_run::go_forward() {
  for (std::size_t from = 0; from < plan_.steps.size() || unroll();) {
    const std::size_t to = stage_end(from);
    for (std::size_t i = from; i < to; ++i)
      if (state_.find(plan_.steps[i].name) == nullptr) begin(plan_.steps[i]);
    bool badly = false;
    for (std::size_t i = from; i < to; ++i) {
      const progress is = state_.find(plan_.steps[i].name)->progress;
      if (is_on_its_way(is)) return;
      badly |= is_settled_badly(is) && !(plan_.steps[i].may_fail && is == progress::failed);
    }
    if (badly) return turn_around(from, to);
    for (std::size_t i = from; i < to; ++i)
      if (plan_.steps[i].pivot && state_.find(plan_.steps[i].name)->progress == progress::done)
        state_.forward_only = true;
    from = to;
  }
  end_forward();
}

void engine_run::begin(const step& what) {
  step_state& at = state_.steps.emplace_back();
  at.name = what.name;
  at.began = at.changed = now_;
  attempt_if_needed(what, at);
}

void engine_run::attempt_if_needed(const step& what, step_state& at) {
  at.attempts = 1;
  bool needed = true;
  try {
    needed = !what.condition || what.condition(state_.data);
  } catch (const std::exception& why) {
    at.attempts = 0;
    return attempt_failed(what, at, false, outcome::failed,
                          std::string("cannot tell whether it is needed: ") + why.what(), false);
  }
  if (needed) return what.act.is_nothing() ? succeeded(at, {}) : issue(what, at, false);
  settle(at, progress::skipped);
  note("'" + at.name + "' is not needed");
}

void engine_run::issue(const step& what, step_state& at, bool undo) {
  const action& does = undo ? *what.undo : what.act;
  at.progress = undo ? progress::undoing : progress::acting;
  at.changed = now_;
  if (does.is_local()) {
    disarm(at);
    effects_.emplace_back(run_local{at.name, undo, at.attempts});
    return;
  }
  send(what, at, undo);
}

void engine_run::send(const step& what, step_state& at, bool undo) {
  const action& does = undo ? *what.undo : what.act;
  std::string body;
  try {
    body = does.make(state_.data);
  } catch (const std::exception& why) {
    return attempt_failed(what, at, undo, outcome::failed, std::string("cannot make it: ") + why.what(),
                          false);
  }
  std::string& id = undo ? at.undo_command : at.command;
  if (id.empty()) {
    const std::uint32_t intent = undo ? ++at.undo_intents : ++at.intents;
    id = state_.id + "/" + at.name + (undo ? "/undo" : "");
    if (intent > 1) id += "#" + std::to_string(intent);
  }
  note((undo ? "undo '" : "call '") + at.name + "' of " + does.participant +
       (at.attempts > 1 ? ", attempt " + std::to_string(at.attempts) : ""));
  effects_.emplace_back(send_command{.participant = does.participant,
                                     .type = does.command,
                                     .id = id,
                                     .body = std::move(body),
                                     .undo = undo,
                                     .compensates = undo ? at.command : std::string()});
  arm(at, does.timeout);
}

void engine_run::attempt_failed(const step& what, step_state& at, bool undo, outcome how, std::string why,
                                bool may_retry) {
  const retry_policy& retry = (undo ? *what.undo : what.act).retry;
  note(in_words(at, undo) + ": " + why);
  at.cause = std::move(why);
  // What has been answered with an error is not done: trying again is another intent.
  if (how == outcome::failed) (undo ? at.undo_command : at.command).clear();
  if (may_retry && at.attempts < retry.max_attempts) {
    settle(at, undo ? progress::undo_pausing : progress::pausing);
    const std::chrono::nanoseconds wait = retry.wait.wait_after(at.attempts, random_);
    return arm(at, std::chrono::ceil<milliseconds>(wait));
  }
  disarm(at);
  if (undo) {
    settle(at, progress::undo_failed);
    return park(in_words(at, true) + " has failed: " + at.cause, phase::compensating);
  }
  settle(at, how == outcome::failed ? progress::failed : progress::unknown);
}

void engine_run::succeeded(step_state& at, step_outcome with) {
  if (of_.script) at.outcome = std::move(with);
  disarm(at);
  settle(at, progress::done);
  note("'" + at.name + "' is done");
}

void engine_run::turn_around(std::size_t from, std::size_t to) {
  std::string why;
  bool no_way_back = state_.forward_only;
  for (std::size_t i = from; i < to; ++i) {
    const step_state& at = *state_.find(plan_.steps[i].name);
    if (!is_settled_badly(at.progress)) continue;
    if (!why.empty()) why += "; ";
    why += "'" + at.name + "': " + at.cause;
    // Whether there is a way back is what nobody knows.
    no_way_back |= plan_.steps[i].pivot && at.progress == progress::unknown && !plan_.steps[i].undo;
  }
  if (no_way_back) return park(std::move(why), phase::running);
  start_compensation(std::move(why));
}

// ---- back ------------------------------------------------------------------------------------------------

void engine_run::start_compensation(std::string why) {
  state_.phase = phase::compensating;
  state_.why = std::move(why);
  note("compensate");
  go_back();
}

void engine_run::go_back() {
  for (auto at = state_.steps.rbegin(); at != state_.steps.rend(); ++at) {
    switch (at->progress) {
      case progress::undoing:
      case progress::undo_pausing:
      case progress::undo_failed:
        return;
      case progress::done:
      case progress::unknown:
        break;
      default:
        continue;
    }
    const step* what = plan_.find(at->name);
    if (what == nullptr)
      return park("the definition has no step '" + at->name + "' any more, which is to be undone",
                  phase::compensating);
    if (!what->undo) {
      settle(*at, progress::kept);
      continue;
    }
    at->attempts = 1;
    issue(*what, *at, true);
    return;
  }
  end(phase::compensated);
}

void engine_run::undone(step_state& at) {
  disarm(at);
  settle(at, progress::undone);
  note("'" + at.name + "' is undone");
  if (state_.phase == phase::parked) resume();
}

void engine_run::go_on() {
  if (state_.phase == phase::running) go_forward();
  if (state_.phase == phase::compensating) go_back();
}

void engine_run::park(std::string why, phase from) {
  note("parked");
  state_.parked_in = from;
  state_.phase = phase::parked;
  state_.why = std::move(why);
}

void engine_run::resume() {
  state_.phase = state_.parked_in;
  note("resumed");
}

void engine_run::end(phase how) {
  state_.phase = how;
  note(to_string(how));
}

// ---- what happens ----------------------------------------------------------------------------------------

void engine_run::on(const replied& what) {
  if (is_final(state_.phase) || what.command.empty()) return;
  for (step_state& at : state_.steps) {
    const bool act =
        at.command == what.command && (is_on_its_way(at.progress) || at.progress == progress::unknown);
    const bool undo = at.undo_command == what.command && at.progress >= progress::undoing &&
                      at.progress != progress::undone && at.progress != progress::kept;
    if (!act && !undo) continue;
    const step* known = plan_.find(at.name);
    if (known == nullptr) return;
    if (undo) {
      on_undo_reply(*known, at, what);
    } else if (what.failed) {
      on_error(*known, at, what);
    } else {
      on_success(*known, at, what);
    }
    return go_on();
  }
}

void engine_run::on_success(const step& what, step_state& at, const replied& reply) {
  const auto handler = what.successes.find(reply.type);
  if (handler != what.successes.end()) {
    try {
      handler->second(state_.data, reply.body);
    } catch (const std::exception& why) {
      // It is done, and what the reply says about it is lost: it has to be undone.
      disarm(at);
      at.cause = std::string("cannot read the reply: ") + why.what();
      note("'" + at.name + "': " + at.cause);
      return settle(at, progress::unknown);
    }
  }
  const bool awaited = was_reason_to_park(at);
  succeeded(at, {.type = reply.type, .body = reply.body});
  if (awaited) resume();
}

bool engine_run::was_reason_to_park(const step_state& at) const {
  return state_.phase == phase::parked && state_.parked_in == phase::running &&
         at.progress == progress::unknown;
}

void engine_run::on_error(const step& what, step_state& at, const replied& reply) {
  decision decided = decision::compensate;
  const auto handler = what.errors.find(reply.type);
  std::string why = cause_in(reply, handler == what.errors.end());
  if (handler != what.errors.end()) {
    try {
      decided = handler->second(state_.data, reply.body);
    } catch (const std::exception& broken) {
      why += std::string(", which cannot be read: ") + broken.what();
    }
  }
  if (was_reason_to_park(at)) resume();
  if (decided == decision::proceed) {
    note("'" + at.name + "': " + why + ", which is fine");
    return succeeded(at, {.type = reply.type, .body = reply.body});
  }
  const bool in_turn = is_on_its_way(at.progress) && state_.phase == phase::running;
  attempt_failed(what, at, false, outcome::failed, std::move(why),
                 in_turn && (decided == decision::retry || state_.forward_only));
  if (what.may_fail && at.progress == progress::failed)
    at.outcome = {.failed = true, .type = reply.type, .body = reply.body};
}

void engine_run::on_undo_reply(const step& what, step_state& at, const replied& reply) {
  if (!reply.failed) return undone(at);
  if (at.progress == progress::undo_failed) return;
  attempt_failed(what, at, true, outcome::failed, cause_in(reply, true), true);
}

void engine_run::on(const alarm_rang& what) {
  // What a parked saga waited for is sent anew when it goes on.
  if (is_final(state_.phase) || state_.phase == phase::parked || what.number == 0) return;
  const auto at = std::ranges::find(state_.steps, what.number, &step_state::alarm);
  if (at == state_.steps.end()) return;
  const step* known = plan_.find(at->name);
  if (known == nullptr) return;
  at->alarm = 0;
  const bool undo = at->progress == progress::undoing || at->progress == progress::undo_pausing;
  if (at->progress == progress::pausing || at->progress == progress::undo_pausing) {
    ++at->attempts;
    issue(*known, *at, undo);
  } else {
    const milliseconds waited = (undo ? *known->undo : known->act).timeout;
    attempt_failed(*known, *at, undo, outcome::unknown,
                   "no reply within " + std::to_string(waited.count()) + " ms", true);
  }
  go_on();
}

void engine_run::on(const local_ended& what) {
  step_state* at = state_.find(what.step);
  const step* known = plan_.find(what.step);
  if (at == nullptr || known == nullptr || is_final(state_.phase)) return;
  const bool undo = at->progress == progress::undoing;
  if (!undo && at->progress != progress::acting) return;
  if (what.what == local_ended::outcome::done) {
    state_.data = what.data;
    undo ? undone(*at) : succeeded(*at, what.result);
  } else {
    const bool failed = what.what == local_ended::outcome::failed;
    attempt_failed(*known, *at, undo, failed ? outcome::failed : outcome::unknown, what.why,
                   undo || !failed || state_.forward_only);
    if (known->may_fail && at->progress == progress::failed) at->outcome = {.failed = true, .body = what.why};
  }
  go_on();
}

// ---- the pieces ------------------------------------------------------------------------------------------

void engine_run::settle(step_state& at, progress as) {
  at.progress = as;
  at.changed = now_;
}

void engine_run::arm(step_state& at, milliseconds after) {
  at.alarm = ++state_.alarms;
  at.due = now_ + after;
  effects_.emplace_back(set_alarm{at.name, at.alarm, after});
}

void engine_run::disarm(step_state& at) {
  if (at.alarm == 0) return;
  at.alarm = 0;
  effects_.emplace_back(cancel_alarm{at.name});
}

}  // namespace skald::sagas::detail
