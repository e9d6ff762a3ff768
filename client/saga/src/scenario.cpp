#include <algorithm>
#include <utility>

#include <skald/saga/testing.hpp>

namespace skald::sagas {

scenario::scenario(definition of, std::string id) : of_(std::move(of)), id_(std::move(id)) {
  of_.check();
}

scenario& scenario::start_with(std::string data) {
  take(sagas::start(of_, id_, std::move(data), {}, now_, 0.5));
  return *this;
}

void scenario::take(transition made) {
  const transition whole = perform_locals(of_, std::move(made), now_, 0.5, records_);
  if (whole.changed) timeline_.push_back(whole.happened);
  state_ = whole.next;
  for (const effect& one : whole.effects) {
    if (const auto* sends = std::get_if<send_command>(&one)) {
      commands_.push_back(*sends);
    } else if (const auto* sets = std::get_if<set_alarm>(&one)) {
      alarms_[sets->step] = {now_ + sets->after, sets->number};
    } else if (const auto* cancels = std::get_if<cancel_alarm>(&one)) {
      alarms_.erase(cancels->step);
    }
  }
}

scenario& scenario::happen(const event& what) {
  take(sagas::advance(of_, std::move(state_), what, now_, 0.5));
  return *this;
}

const send_command& scenario::expect_command(std::string_view step, std::string_view command) const {
  const auto at = std::ranges::find(state_.steps, step, &step_state::name);
  if (at == state_.steps.end()) fail_expectation("step '" + std::string(step) + "' has not begun");
  const std::string& id = at->progress >= progress::undoing ? at->undo_command : at->command;
  const auto sent = std::ranges::find_if(commands_.rbegin(), commands_.rend(),
                                         [&](const send_command& one) { return one.id == id; });
  if (id.empty() || sent == commands_.rend())
    fail_expectation("step '" + std::string(step) + "' has sent nothing: it is " +
                     std::string(to_string(at->progress)));
  if (!command.empty() && sent->type != command)
    fail_expectation("step '" + std::string(step) + "' has sent " + sent->type + ", not " +
                     std::string(command));
  return *sent;
}

scenario& scenario::answer(std::string_view step, bool failed, std::string_view type, std::string body) {
  return happen(replied{expect_command(step).id, failed, std::string(type), std::move(body)});
}

scenario& scenario::pass(milliseconds time) {
  const timestamp until = now_ + time;
  for (;;) {
    const auto next = std::ranges::min_element(alarms_, {}, [](const auto& one) { return one.second.due; });
    if (next == alarms_.end() || next->second.due > until) break;
    now_ = next->second.due;
    const std::uint64_t number = next->second.number;
    alarms_.erase(next);
    happen(alarm_rang{number});
  }
  now_ = until;
  return *this;
}

scenario& scenario::upgrade(definition to) {
  to.check();
  of_ = std::move(to);
  take(take_over(of_, std::move(state_), now_));
  return *this;
}

const scenario& scenario::expect(phase is) const {
  if (state_.phase != is)
    fail_expectation("the saga is " + std::string(to_string(state_.phase)) + ", not " +
                     std::string(to_string(is)));
  return *this;
}

const scenario& scenario::expect(std::string_view step, progress is) const {
  const auto at = std::ranges::find(state_.steps, step, &step_state::name);
  if (at == state_.steps.end()) fail_expectation("step '" + std::string(step) + "' has not begun");
  if (at->progress != is)
    fail_expectation("step '" + std::string(step) + "' is " + std::string(to_string(at->progress)) +
                     ", not " + std::string(to_string(is)));
  return *this;
}

std::string scenario::timeline() const {
  std::string made;
  for (const std::string& one : timeline_) made += "  " + one + "\n";
  return made;
}

void scenario::fail_expectation(const std::string& what) const {
  throw expectation_failed(what + "\n" + timeline());
}

}  // namespace skald::sagas
