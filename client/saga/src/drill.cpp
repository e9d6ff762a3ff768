// The drill: participants in memory, with an inbox as real ones have, and a harm for one step.
#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include <skald/saga/testing.hpp>
#include "client/saga/src/engine_run.hpp"

namespace skald::sagas {

std::string_view to_string(harm of) {
  switch (of) {
    case harm::none:
      return "none";
    case harm::failed:
      return "failed";
    case harm::command_lost:
      return "command lost";
    case harm::reply_lost:
      return "reply lost";
    case harm::undo_fails:
      return "undo fails";
    case harm::twice:
      break;
  }
  return "twice";
}

namespace {

constexpr std::size_t events_max = 10'000;

class rehearsal {
 public:
  // `last` is the name of the last step that there is when nothing goes wrong.
  rehearsal(const definition& of, std::string last, const std::map<std::string, replied>& replies,
            std::string step, harm what)
      : step_(std::move(step)),
        harm_(what),
        last_(std::move(last)),
        of_(with_harm(of)),
        replies_(replies),
        play_(of_) {}

  drill_run run(const std::string& data) {
    play_.start_with(data);
    for (std::size_t events = 0; !is_over(); ++events) {
      if (events == events_max) give_up("the saga does not come to an end");
      deliver_new();
      if (is_over()) break;
      if (play_.alarms() == 0) give_up("the saga is not final, and waits for no timer");
      play_.pass(milliseconds(1'000));
    }
    // Stragglers of a saga that is over change nothing.
    deliver_new();
    return {step_, harm_, play_.state(), effects_, play_.timeline()};
  }

  [[noreturn]] void give_up(const std::string& why) const {
    throw expectation_failed("drill, step '" + step_ + "', " + std::string(to_string(harm_)) + ": " + why +
                             "\n" + play_.timeline());
  }

 private:
  bool is_over() const { return is_final(play_.state().phase) || play_.state().phase == phase::parked; }
  bool is_harmed(std::string_view step) const { return step == step_; }
  // The harm that makes a saga turn around, so that there is something to undo.
  bool fails_at_the_end(std::string_view step) const {
    return harm_ == harm::undo_fails && step == last_ && !is_harmed(step);
  }

  // Local steps are harmed in the definition, and tell what has taken effect.
  definition with_harm(definition of) {
    for (sagas::step& at : of.steps) wrap(at);
    if (of.script)
      of.script = [this, inner = of.script](const instance& is) {
        unrolled made = inner(is);
        for (sagas::step& at : made.steps) wrap(at);
        return made;
      };
    return of;
  }
  void wrap(sagas::step& at) {
    wrap(at.act, at.name, false);
    if (at.undo) wrap(*at.undo, at.name, true);
  }
  void wrap(action& does, const std::string& name, bool undo) {
    if (!does.is_local()) return;
    does.local = [this, work = does.local, name, undo](std::string& data, local_step& at) {
      const bool act_harmed = is_harmed(name) && !undo;
      if ((!undo && fails_at_the_end(name)) || (act_harmed && harm_ == harm::failed))
        throw step_failed("the drill says so");
      if (is_harmed(name) && undo && harm_ == harm::undo_fails) throw step_failed("the drill says so");
      if (act_harmed && harm_ == harm::command_lost) throw std::runtime_error("the drill says so");
      if (harm_ == harm::twice) {  // a crash before the commit: its records and data are lost
        std::string lost = data;
        local_step first(at.saga_id(), at.step(), at.attempt());
        work(lost, first);
      }
      work(data, at);
      record(undo, name);
      if (act_harmed && harm_ == harm::reply_lost) throw std::runtime_error("the drill says so");
    };
  }
  void record(bool undo, const std::string& name) {
    const std::string what = (undo ? "undo " : "") + name;
    // An action that runs again because nobody knows of it is meant to bear that.
    if (std::ranges::find(effects_, what) == effects_.end()) effects_.push_back(what);
  }

  void deliver_new() {
    while (delivered_ < play_.commands().size()) {
      const send_command command = play_.commands()[delivered_++];
      for (int times = harm_ == harm::twice ? 2 : 1; times > 0; --times) deliver(command);
    }
  }

  void deliver(const send_command& command) {
    const std::string step = step_of(command);
    if (is_harmed(step) && !command.undo && harm_ == harm::command_lost) return;
    if (!inbox_.contains(command.id)) inbox_.emplace(command.id, handle(command, step));
    if (is_harmed(step) && !command.undo && harm_ == harm::reply_lost) return;
    const replied reply = inbox_.at(command.id);
    for (int times = harm_ == harm::twice ? 2 : 1; times > 0; --times) play_.happen(reply);
  }

  replied handle(const send_command& command, const std::string& step) {
    const bool fails = command.undo ? is_harmed(step) && harm_ == harm::undo_fails
                                    : (is_harmed(step) && harm_ == harm::failed) || fails_at_the_end(step);
    if (fails) return {command.id, true, "", "the drill says so"};
    if (command.undo) {
      undo(command, step);
      return {command.id, false, "", ""};
    }
    if (refused_.contains(command.id)) return {command.id, true, "", "undone already"};
    record(false, step);
    const auto known = replies_.find(command.type);
    replied reply = known == replies_.end() ? replied{} : known->second;
    reply.command = command.id;
    return reply;
  }

  // As a participant does: what it has not done, it will not do.
  void undo(const send_command& command, const std::string& step) {
    if (command.compensates.empty()) return record(true, step);
    refused_.insert(command.compensates);
    const auto action = inbox_.find(command.compensates);
    if (action != inbox_.end() && !action->second.failed) record(true, step);
  }

  static std::string step_of(const send_command& command) {
    const std::size_t from = command.id.find('/') + 1;
    return command.id.substr(from, command.id.find_first_of("/#", from) - from);
  }

  std::string step_;
  harm harm_;
  std::string last_;
  std::vector<std::string> effects_;  // before the definition, whose steps write it
  definition of_;
  const std::map<std::string, replied>& replies_;
  scenario play_;
  std::map<std::string, replied> inbox_;
  std::set<std::string> refused_;
  std::size_t delivered_ = 0;
};

std::size_t count(const std::vector<std::string>& in, const std::string& what) {
  return static_cast<std::size_t>(std::ranges::count(in, what));
}

// What is wrong with the outcome; empty: nothing.
std::string judge(const definition& of, const drill_run& is) {
  const instance& state = is.state;
  const bool undo_failed = std::ranges::any_of(
      state.steps, [](const step_state& at) { return at.progress == progress::undo_failed; });
  if (state.phase == phase::parked) {
    const step* harmed = of.find(is.step);
    const bool pivot = harmed != nullptr && harmed->pivot;
    if (state.forward_only || undo_failed || pivot) return {};
    return "parked, though there is a way back";
  }
  bool undone_any = false;
  std::size_t stage = 0;
  std::map<std::string, std::size_t> stages;
  for (const step& at : of.steps) stages[at.name] = at.beside ? stage : ++stage;
  std::size_t last = stages.size() + 1;
  for (const std::string& effect : is.effects) {
    if (!effect.starts_with("undo ")) continue;
    undone_any = true;
    const std::string name = effect.substr(5);
    if (stages[name] > last) return "'" + name + "' was undone after a step that was before it";
    last = stages[name];
  }
  if (state.phase == phase::completed) return undone_any ? "completed, and yet something was undone" : "";
  for (const step& at : of.steps)
    if (at.undo && count(is.effects, at.name) > count(is.effects, "undo " + at.name))
      return "'" + at.name + "' took effect, and was not undone";
  return {};
}

}  // namespace

std::vector<drill_run> drill::run() const {
  of_.check();
  std::vector<drill_run> runs;
  std::string last;
  const auto add = [&](const std::string& step, harm what) {
    rehearsal one(of_, last, replies_, step, what);
    runs.push_back(one.run(data_));
    const definition plan = detail::plan_of(of_, runs.back().state);
    if (const std::string wrong = judge(plan, runs.back()); !wrong.empty()) one.give_up(wrong);
  };
  add("", harm::none);
  add("", harm::twice);
  if (runs[0].state.phase != runs[1].state.phase || runs[0].state.data != runs[1].state.data ||
      runs[0].effects != runs[1].effects)
    throw expectation_failed("drill: it makes a difference that everything comes twice\n" + runs[1].timeline);
  const definition plan = detail::plan_of(of_, runs[0].state);
  if (!plan.steps.empty()) last = plan.steps.back().name;
  for (const step& at : plan.steps) {
    for (const harm what : {harm::failed, harm::command_lost, harm::reply_lost}) add(at.name, what);
    if (at.undo) add(at.name, harm::undo_fails);
  }
  return runs;
}

}  // namespace skald::sagas
