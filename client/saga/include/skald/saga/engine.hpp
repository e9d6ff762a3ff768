// The saga engine: a pure function from a definition, an instance and an event to the next instance and what
// is to be done about it. It does no I/O and has neither clock nor random numbers of its own. Whoever drives
// it makes the new state and the effects durable together, or neither.
//
// Order. Steps run in the order of the definition; those `beside` one another begin together, and the next
// begin when all of them have settled. A failed or unknown step turns the saga around: what is done, or may
// have been, is compensated one by one, the last begun first. Behind the pivot there is no way back: a step
// that fails there is retried, then the saga is parked. So is one whose compensation has failed for good.
//
// Identity. A command keeps its id while its outcome is unknown, so that a participant does it once; after an
// error, which says that it has not been done, the next attempt is a new intent and gets a new id.
//
// Duplicates and stragglers. A reply or timer that nobody waits for any more changes nothing. A late reply to
// a step given up as unknown is still news: it is taken in, and resumes a saga that is parked because of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <skald/saga/definition.hpp>
#include <skald/saga/instance.hpp>

namespace skald::sagas {

// ---- what happens ----------------------------------------------------------------------------------------

struct replied {
  std::string command = {};  // the id that it answers
  bool failed = false;
  std::string type = {};  // the name of the reply's type; may be empty
  std::string body = {};
};
struct alarm_rang {
  std::uint64_t number = 0;
};
struct local_ended {
  enum class outcome : std::uint8_t { done, failed, unknown };
  std::string step = {};
  outcome what = outcome::done;
  std::string why = {};   // unless it is done
  std::string data = {};  // if it is; and what the coroutine gets that awaits it
  step_outcome result = {};
};
// An operator's word.
struct ordered {
  enum class order : std::uint8_t {
    retry,       // what failed is tried anew; what pauses, now
    skip,        // what failed counts as dealt with
    compensate,  // turns back; not behind the pivot
    abort        // ends it as it is
  };
  order what = order::retry;
};
std::string_view to_string(ordered::order of);
std::optional<ordered::order> parse_order(std::string_view text);
// Why the order would change nothing about this instance; empty: it would change something.
std::string why_not(const instance& of, ordered::order what);

using event = std::variant<replied, alarm_rang, local_ended, ordered>;

// ---- what is to be done ----------------------------------------------------------------------------------

struct send_command {
  std::string participant = {};
  std::string type = {};
  std::string id = {};
  std::string body = {};
  bool undo = false;             // it is a compensation
  std::string compensates = {};  // the id of the command that it undoes; empty: what it undoes was done here
};
// Timers have the step's name: setting replaces.
struct set_alarm {
  std::string step = {};
  std::uint64_t number = 0;
  milliseconds after{0};
};
struct cancel_alarm {
  std::string step = {};
};
// Run it, and come back with local_ended, within the same commit.
struct run_local {
  std::string step = {};
  bool undo = false;
  std::uint32_t attempt = 1;
};
using effect = std::variant<send_command, set_alarm, cancel_alarm, run_local>;

struct transition {
  instance next;
  std::vector<effect> effects;
  std::string happened;  // in words, for the timeline
  bool changed = true;   // false: the event is old news; there are no effects
};

// ---- the function ----------------------------------------------------------------------------------------

// `random` is from [0, 1).
transition start(const definition& of, std::string id, std::string data, std::string correlation,
                 timestamp now, double random);
// An instance of another version is taken over first. One with a step on its way that the definition does
// not have is held.
transition advance(const definition& of, instance state, const event& what, timestamp now, double random);

// Takes an instance of another version over, by the names that `to` maps; nothing to do for one of this
// version. One that has begun a step which has no name there stays of its version, and is held.
transition take_over(const definition& to, instance state, timestamp now);

// What an event makes of an instance that nobody here knows how to go on with: it is parked, and of orders
// only that to abort is carried out. Replies and timers that come meanwhile are dropped: whoever knows sends
// commands without an outcome again.
transition hold(instance state, const event& what, const std::string& why, timestamp now);

// Runs the local actions of a transition, and of those that follow from them, until none is left: gives the
// whole as one transition without run_local. Records that the actions append are added to `records`.
transition perform_locals(const definition& of, transition made, timestamp now, double random,
                          std::vector<outgoing>& records);

}  // namespace skald::sagas
