// What operators order.
#include <utility>

#include "client/saga/src/engine_run.hpp"

namespace skald::sagas::detail {

void engine_run::on(const ordered& what) {
  if (!why_not(state_, what.what).empty()) return;
  switch (what.what) {
    case ordered::order::retry:
      return order_retry();
    case ordered::order::skip:
      return order_skip();
    case ordered::order::compensate:
      return order_compensate();
    case ordered::order::abort:
      return order_abort();
  }
}

// Whether a parked saga that goes on has to try this one anew. What was on its way is, too: its timer may
// have rung meanwhile.
bool engine_run::waits_to_go_on(const step_state& at) const {
  switch (at.progress) {
    case progress::acting:
    case progress::pausing:
    case progress::failed:
    case progress::unknown:
      // A coroutine has been told of what has an outcome.
      return state_.parked_in == phase::running && !at.outcome;
    case progress::undoing:
    case progress::undo_pausing:
    case progress::undo_failed:
      return true;
    default:
      return false;
  }
}

void engine_run::order_retry() {
  const bool parked = state_.phase == phase::parked;
  if (parked) {
    note("ordered to retry");
    resume();  // trying may park it again, which is then the last word
  }
  for (std::size_t i = 0; i < state_.steps.size(); ++i) {
    step_state& at = state_.steps[i];
    const step* known = plan_.find(at.name);
    const bool pauses = at.progress == progress::pausing || at.progress == progress::undo_pausing;
    if (known == nullptr || !(parked ? waits_to_go_on(at) : pauses)) continue;
    if (!parked) note("ordered to retry '" + at.name + "'");
    if (at.attempts == 0) {
      attempt_if_needed(*known, at);
      continue;
    }
    at.attempts = parked ? 1 : at.attempts + 1;
    issue(*known, at, at.progress >= progress::undoing);
  }
  go_on();
}

void engine_run::order_skip() {
  const bool back = state_.parked_in == phase::compensating;
  note("ordered to skip");
  resume();
  for (std::size_t i = 0; i < state_.steps.size(); ++i) {
    step_state& at = state_.steps[i];
    const step* known = plan_.find(at.name);
    const bool unmapped =
        back && known == nullptr && (at.progress == progress::done || at.progress == progress::unknown);
    const bool failed = at.progress == progress::failed || at.progress == progress::unknown;
    const bool stuck = back ? at.progress == progress::undo_failed : failed && !at.outcome;
    if (unmapped || stuck) {
      disarm(at);
      settle(at, back ? progress::kept : progress::skipped);
      if (of_.script && !back) at.outcome = {.skipped = true};
      note("'" + at.name + "' is skipped");
    } else if (known != nullptr && waits_to_go_on(at)) {
      at.attempts = 1;
      issue(*known, at, at.progress >= progress::undoing);
    }
  }
  go_on();
}

void engine_run::order_compensate() {
  for (step_state& at : state_.steps) {
    if (at.progress != progress::acting && at.progress != progress::pausing) continue;
    // A command that is on its way, or may be, is of unknown outcome; one that is to be made anew has failed.
    const bool local = plan_.find(at.name) != nullptr && plan_.find(at.name)->act.is_local();
    disarm(at);
    settle(at, at.command.empty() && !local ? progress::failed : progress::unknown);
  }
  start_compensation("ordered");
}

void engine_run::hold(const event* what, const std::string& why) {
  const auto* order = what == nullptr ? nullptr : std::get_if<ordered>(what);
  if (order != nullptr && order->what == ordered::order::abort) return order_abort();
  const bool parked = state_.phase == phase::parked;
  if (parked && order == nullptr) return;
  note(why);
  park(why, parked ? state_.parked_in : state_.phase);
}

void engine_run::order_abort() {
  for (step_state& at : state_.steps) disarm(at);
  note("ordered to abort");
  state_.why = "ordered";
  end(phase::aborted);
}

}  // namespace skald::sagas::detail
