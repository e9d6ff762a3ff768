#include "skald/saga/coroutine.hpp"

#include <algorithm>

#include <skald/protocol/error.hpp>

namespace skald::sagas {

bool pending::await_ready() const {
  return of_->is_settled();
}

answered pending::await_resume() const {
  return of_->outcome(step_);
}

namespace detail {

namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw error(errc::invalid_settings, why);
}

}  // namespace

replay::replay(const instance& of) : id_(of.id), data_(of.data) {
  for (const step_state& at : of.steps) journal_.push_back({at.name, at.outcome});
}

void replay::compensate(std::string_view step, action how) {
  if (std::ranges::find(asked_, step, &step::name) != asked_.end())
    refuse("the compensation of step '" + std::string(step) +
           "' is registered after the step has been asked for");
  undo_.insert_or_assign(std::string(step), std::move(how));
}

pending replay::ask(step what) {
  if (std::ranges::find(asked_, what.name, &step::name) != asked_.end())
    refuse("two steps are called '" + what.name + "'");
  what.beside = together_;
  if (what.pivot && what.beside) refuse("the pivot '" + what.name + "' runs alone");
  if (what.beside && asked_.back().pivot) refuse("the pivot '" + asked_.back().name + "' runs alone");
  check_step(what);
  if (const auto undo = undo_.extract(what.name)) what.undo = std::move(undo.mapped());
  const std::size_t at = asked_.size();
  if (mismatch_.empty() && at < journal_.size() && journal_[at].step != what.name)
    mismatch_ =
        "the code asks for step '" + what.name + "' where the journal has '" + journal_[at].step + "'";
  asked_.push_back(std::move(what));
  together_ = true;
  return {*this, at};
}

bool replay::is_settled() {
  if (!mismatch_.empty() || asked_.size() > journal_.size()) return false;
  const auto asked = journal_.begin() + static_cast<std::ptrdiff_t>(asked_.size());
  if (!std::all_of(journal_.begin(), asked, [](const entry& one) { return one.outcome.has_value(); }))
    return false;
  together_ = false;
  return true;
}

answered replay::outcome(std::size_t step) const {
  return answered(*journal_.at(step).outcome);
}

void replay::check_all_asked(bool ended) {
  if (!mismatch_.empty() || asked_.size() >= journal_.size()) return;
  mismatch_ = std::string("the code ") + (ended ? "ends" : "waits") + " where the journal has step '" +
              journal_[asked_.size()].step + "'";
}

void keep_alive(step& what, const std::shared_ptr<void>& frame) {
  const auto keep = [&](action& does) {
    if (!does.is_local()) return;
    does.local = [frame, work = std::move(does.local)](std::string& data, local_step& at) { work(data, at); };
  };
  keep(what.act);
  if (what.undo) keep(*what.undo);
}

}  // namespace detail

}  // namespace skald::sagas
