// One transition in the making: the state that changes, and the effects that gather.
#pragma once

#include <string>
#include <string_view>

#include <skald/saga/engine.hpp>

namespace skald::sagas::detail {

// The steps that a coroutine asks for.
definition plan_of(const definition& of, const instance& state);

class engine_run {
 public:
  engine_run(const definition& of, instance state, timestamp now, double random);

  // Parks the saga with this reason, whatever happens but for the order to abort it.
  void hold(const event* what, const std::string& why);
  // Holds it if its coroutine does not fit its journal. True: it does not.
  bool hold_if_lost(const event* what = nullptr);
  // Begins whatever may begin now; ends the saga when nothing is left.
  void go_forward();
  void on(const replied& what);
  void on(const alarm_rang& what);
  void on(const local_ended& what);
  void on(const ordered& what);

  // What has come of it; the run is used up.
  transition finish();

  // For the timeline; an event that is noted has changed something.
  void note(std::string_view text);
  instance& state() { return state_; }

 private:
  enum class outcome : std::uint8_t { failed, unknown };

  void begin(const step& what);
  // Unless its condition does not hold.
  void attempt_if_needed(const step& what, step_state& at);
  // Sends or runs the next attempt of the action or compensation.
  void issue(const step& what, step_state& at, bool undo);
  void send(const step& what, step_state& at, bool undo);
  void attempt_failed(const step& what, step_state& at, bool undo, outcome how, std::string why,
                      bool may_retry);
  void succeeded(step_state& at, step_outcome with);
  void undone(step_state& at);
  void on_success(const step& what, step_state& at, const replied& reply);
  void on_error(const step& what, step_state& at, const replied& reply);
  void on_undo_reply(const step& what, step_state& at, const replied& reply);
  // The saga is parked because nobody knew what has become of this step.
  bool was_reason_to_park(const step_state& at) const;
  // The stage [from, to) has settled with failures.
  void turn_around(std::size_t from, std::size_t to);
  void start_compensation(std::string why);
  void go_back();
  // All steps that are known have settled. Of a coroutine: whether it asks for more.
  bool unroll();
  // It does not: what that means.
  void end_forward();
  // After whatever has settled a step, in the direction that the saga goes.
  void go_on();
  void park(std::string why, phase from);
  void resume();
  void end(phase how);
  bool waits_to_go_on(const step_state& at) const;
  void order_retry();
  void order_skip();
  void order_compensate();
  void order_abort();

  void settle(step_state& at, progress as);
  void arm(step_state& at, milliseconds after);
  void disarm(step_state& at);
  std::size_t stage_end(std::size_t from) const;

  const definition& of_;
  definition asked_;        // of a coroutine: the steps that it has asked for so far
  const definition& plan_;  // that, or the definition itself
  unrolled unrolled_;
  instance state_;
  timestamp now_;
  double random_;
  std::vector<effect> effects_;
  std::string happened_;
};

}  // namespace skald::sagas::detail
