// One running (or ended) saga: all that is remembered of it. No code is replayed: names, phases and data are
// enough to go on, also for a definition that has changed since.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <skald/protocol/types.hpp>
#include <skald/saga/definition.hpp>

namespace skald::sagas {

enum class phase : std::uint8_t {
  running,
  compensating,
  parked,       // it needs somebody: see `why`
  completed,    // the rest is final
  compensated,  // all that was done, or may have been, is undone
  aborted       // given up by an operator, as it was
};
std::string_view to_string(phase of);
// nullopt for a word that is none.
std::optional<phase> parse_phase(std::string_view text);
constexpr bool is_final(phase of) {
  return of >= phase::completed;
}

enum class progress : std::uint8_t {
  acting,   // waits for the reply
  pausing,  // waits for its next attempt
  done,
  skipped,       // its condition did not hold, or an operator said so
  failed,        // it has not happened
  unknown,       // nobody knows whether it has: it is compensated too
  undoing,       // waits for the reply to the compensation
  undo_pausing,  // waits for the compensation's next attempt
  undone,
  undo_failed,  // the compensation has failed for good: the saga is parked
  kept          // there is nothing to undo it with, or an operator said so
};
std::string_view to_string(progress of);

struct step_state {
  std::string name;
  sagas::progress progress = progress::acting;
  std::uint32_t attempts = 1;  // of the action, or of the compensation once that has begun; 0: it is not
                               // known whether the step is needed
  std::string command;         // the id of the last command; empty: nothing is on its way
  std::string undo_command;
  std::uint32_t intents = 0;  // how many different ids the action has had, and ...
  std::uint32_t undo_intents = 0;
  std::uint64_t alarm = 0;  // the number of the timer that it waits for; 0: none
  timestamp began;
  timestamp changed;
  timestamp due;      // when the timer fires
  std::string cause;  // of the last failure
  // What the coroutine that awaits it has got, or will get; only of sagas written as one.
  std::optional<step_outcome> outcome = {};
};

struct instance {
  std::string id;
  std::string definition;
  sagas::version version;
  sagas::phase phase = phase::running;
  sagas::phase parked_in = phase::running;  // where a parked one goes on
  bool forward_only = false;                // its pivot is done
  std::vector<step_state> steps;            // those begun, in the order of beginning
  std::string data;
  std::string correlation;
  timestamp started;
  timestamp changed;
  std::string why;           // of compensating, parked, compensated, aborted
  std::uint64_t alarms = 0;  // numbers given to timers so far

  step_state* find(std::string_view step_name);
};

// All but the data, as JSON. decode_state() throws skald::error (invalid_request) for what is none.
std::string encode_state(const instance& of);
instance decode_state(std::string_view json, std::string_view id, std::string_view data);

}  // namespace skald::sagas
