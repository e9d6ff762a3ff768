// The saga test kit: plays a definition in memory, in simulated time, without a broker. It suits any test
// framework: an expectation that does not hold throws expectation_failed, whose text has the saga's timeline.
//
//   sagas::scenario order(create_order_saga);
//   order.start(create_order{.total = 500});
//   CHECK(order.expect_call<reserve_credit>("credit").amount == 500);
//   order.fail("credit", credit_limit_exceeded{}).expect(sagas::phase::compensated);
//
//   sagas::drill(create_order_saga, create_order{.total = 500}).run();  // fails every step, and repeats it
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <skald/saga/codec.hpp>
#include <skald/saga/engine.hpp>

namespace skald::sagas {

class expectation_failed : public std::logic_error {
 public:
  using logic_error::logic_error;
};

// ---- one saga, step by step ------------------------------------------------------------------------------

class scenario {
 public:
  explicit scenario(definition of, std::string id = "saga-1");

  template <encodable Data>
  scenario& start(const Data& data) {
    return start_with(codec<Data>::to_bytes(data));
  }
  scenario& start_with(std::string data);

  // The command that the step waits for an answer to: of the action, or once that is over, of the
  // compensation.
  template <encodable Command>
  Command expect_call(std::string_view step) const {
    return codec<Command>::from_bytes(expect_command(step, codec<Command>::name).body);
  }
  const send_command& expect_command(std::string_view step, std::string_view command = {}) const;

  // Answers that command.
  scenario& reply(std::string_view step) { return answer(step, false, "", ""); }
  template <encodable Reply>
  scenario& reply(std::string_view step, const Reply& with) {
    return answer(step, false, codec<Reply>::name, codec<Reply>::to_bytes(with));
  }
  template <encodable Error>
  scenario& fail(std::string_view step, const Error& with) {
    return answer(step, true, codec<Error>::name, codec<Error>::to_bytes(with));
  }
  scenario& answer(std::string_view step, bool failed, std::string_view type, std::string body);
  scenario& happen(const event& what);
  scenario& order(ordered::order what) { return happen(ordered{what}); }
  // Time goes by; timers ring when they are due.
  scenario& pass(milliseconds time);
  // From now on it runs by this definition, which may take the instance over.
  scenario& upgrade(definition to);

  const scenario& expect(phase is) const;
  const scenario& expect(std::string_view step, progress is) const;
  template <encodable Data>
  Data data() const {
    return codec<Data>::from_bytes(state_.data);
  }
  const instance& state() const { return state_; }
  const std::vector<send_command>& commands() const { return commands_; }  // all that were sent
  const std::vector<outgoing>& records() const { return records_; }        // all that local steps appended
  std::string timeline() const;
  // How many timers wait.
  std::size_t alarms() const { return alarms_.size(); }

 private:
  struct alarm {
    timestamp due;
    std::uint64_t number = 0;
  };
  void take(transition made);
  [[noreturn]] void fail_expectation(const std::string& what) const;

  definition of_;
  std::string id_;
  instance state_;
  timestamp now_{std::chrono::hours(24 * 365 * 50)};
  std::map<std::string, alarm> alarms_;
  std::vector<send_command> commands_;
  std::vector<outgoing> records_;
  std::vector<std::string> timeline_;
};

// ---- every way in which it may go wrong ------------------------------------------------------------------

// What is done to one step in one run.
enum class harm : std::uint8_t {
  none,
  failed,        // it answers with an error
  command_lost,  // no attempt arrives: its outcome is unknown, and it has not happened
  reply_lost,    // no reply arrives: its outcome is unknown, and it has happened
  undo_fails,    // the last step fails, and the compensation of this one always does
  twice          // of every step: every command, reply and timer comes twice
};
std::string_view to_string(harm of);

struct drill_run {
  std::string step;
  harm what = harm::none;
  instance state;
  std::vector<std::string> effects;  // what has taken effect, in order: "STEP", "undo STEP"
  std::string timeline;
};

// Plays a definition against participants that do each command once and answer it.
class drill {
 public:
  template <encodable Data>
  drill(definition of, const Data& data) : of_(std::move(of)), data_(codec<Data>::to_bytes(data)) {}

  // What is answered to a command, where an empty reply is not enough.
  template <encodable Command, encodable Reply>
  drill& answer(const Reply& with) {
    replies_[std::string(codec<Command>::name)] = {"", false, std::string(codec<Reply>::name),
                                                   codec<Reply>::to_bytes(with)};
    return *this;
  }

  // Of a coroutine, the steps that are harmed are those that it asks for when nothing goes wrong.
  // All runs: unharmed, everything twice, and each harm to each step. Throws expectation_failed unless in
  // each of them: a saga that is not final or parked waits for a timer; it is parked only where there is no
  // way back or the compensation fails; compensated, all that took effect and can be undone was undone once,
  // in reverse order of the stages; completed, nothing was undone; and everything twice makes no difference.
  std::vector<drill_run> run() const;

 private:
  definition of_;
  std::string data_;
  std::map<std::string, replied> replies_;
};

}  // namespace skald::sagas
