// Sagas written as coroutines: their steps become known as the instance moves on.
#include <utility>

#include "client/saga/src/engine_run.hpp"

namespace skald::sagas::detail {

definition plan_of(const definition& of, const instance& state) {
  if (!of.script) return of;
  return {.name = of.name, .version = of.version, .steps = of.script(state).steps};
}

bool engine_run::unroll() {
  if (!of_.script) return false;
  const std::size_t known = asked_.steps.size();
  unrolled_ = of_.script(state_);
  asked_.steps = std::move(unrolled_.steps);
  return unrolled_.mismatch.empty() && asked_.steps.size() > known;
}

void engine_run::end_forward() {
  if (!of_.script || (unrolled_.ended && unrolled_.failed.empty() && unrolled_.mismatch.empty()))
    return end(phase::completed);
  if (!unrolled_.mismatch.empty()) return park(unrolled_.mismatch, phase::running);
  if (unrolled_.failed.empty())
    return park("the code waits for something that is no step of the saga", phase::running);
  note("the code has ended with: " + unrolled_.failed);
  if (state_.forward_only) return park(unrolled_.failed, phase::running);
  start_compensation(unrolled_.failed);
}

bool engine_run::hold_if_lost(const event* what) {
  if (unrolled_.mismatch.empty()) return false;
  hold(what, unrolled_.mismatch);
  return true;
}

}  // namespace skald::sagas::detail
