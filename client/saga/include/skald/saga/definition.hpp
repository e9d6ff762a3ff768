// What a saga is, as plain data. saga.hpp builds it from typed functions; the engine only knows this.
//
// Steps have names, and instances remember names: a definition may change while instances of it run. Every
// version that may still have instances stays registered, or a newer one says how to take them over.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <skald/resilience/backoff.hpp>

namespace skald::sagas {

using std::chrono::milliseconds;
using exponential = resilience::exponential_backoff;

struct version {
  std::uint32_t number = 1;
  friend constexpr auto operator<=>(version, version) = default;
};

struct retry_policy {
  std::uint32_t max_attempts = 3;  // the first included
  exponential wait = {};
};

// A record that a local action appends in the commit of its transition.
struct outgoing {
  std::string topic;
  std::string key;
  std::string value;
};

// What a step came to, for the coroutine that awaits it.
struct step_outcome {
  bool failed = false;   // it has not happened
  bool skipped = false;  // an operator said so
  std::string type = {};
  std::string body = {};
};

// What a local action knows and may do besides changing the saga's data.
class local_step {
 public:
  local_step(std::string_view saga_id, std::string_view step, std::uint32_t attempt)
      : saga_id_(saga_id), step_(step), attempt_(attempt) {}
  std::string_view saga_id() const { return saga_id_; }
  std::string_view step() const { return step_; }
  std::uint32_t attempt() const { return attempt_; }
  // Takes effect with the transition, that is once, however often the action runs.
  void append(std::string topic, std::string key, std::string value) {
    records_.push_back({std::move(topic), std::move(key), std::move(value)});
  }
  std::vector<outgoing>& records() { return records_; }
  // Of a step that a coroutine awaits: what that gets.
  step_outcome& result() { return result_; }

 private:
  std::string_view saga_id_;
  std::string_view step_;
  std::uint32_t attempt_;
  std::vector<outgoing> records_;
  step_outcome result_;
};

// Thrown by a local action: it has not happened and will not; the saga compensates. Any other exception
// leaves unknown whether it has: it is tried again, and then compensated too.
class step_failed : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// What becomes of a step whose participant answered with an error.
enum class decision : std::uint8_t {
  compensate,  // the step has failed
  retry,       // as its retry policy says, then it has failed
  proceed      // it is done nevertheless
};

// Something that is done, or undone: here, or by a participant.
struct action {
  std::function<void(std::string& data, local_step&)> local = {};
  std::string participant = {};                                   // for a call: who is asked, ...
  std::string command = {};                                       // ... the name of the command, ...
  std::function<std::string(const std::string& data)> make = {};  // ... and its bytes
  milliseconds timeout{30'000};                                   // for the reply to one attempt
  retry_policy retry = {};
  bool is_local() const { return static_cast<bool>(local); }
  bool is_nothing() const { return !local && !make && participant.empty(); }
};

struct step {
  std::string name;
  action act = {};
  std::optional<action> undo = {};
  std::function<bool(const std::string& data)> condition = {};  // absent: always; asked when its turn comes
  bool pivot = false;                                           // once it is done, the saga only goes forward
  bool beside = false;                                          // runs together with the one before
  bool may_fail = false;  // that it has failed does not turn the saga back; see coroutine.hpp
  // By the name of the reply's type: what it does to the data. Other errors compensate.
  std::map<std::string, std::function<void(std::string& data, std::string_view body)>, std::less<>>
      successes = {};
  std::map<std::string, std::function<decision(std::string& data, std::string_view body)>, std::less<>>
      errors = {};
};

struct instance;

// A coroutine's steps, as far as an instance has come; see coroutine.hpp.
struct unrolled {
  std::vector<step> steps = {};  // asked for so far, in order; the last wait for their outcome
  bool ended = false;            // nothing more is asked for
  std::string failed = {};       // it threw that
  std::string mismatch = {};     // how it differs from the journal, and cannot go on
};

struct definition {
  std::string name;
  sagas::version version;
  std::vector<step> steps = {};
  // By the version that instances are taken over from: its names that have changed, old to new.
  std::map<std::uint32_t, std::map<std::string, std::string>> migrations = {};
  // Of a saga written as a coroutine, instead of `steps`: runs it against an instance. And whom it may call.
  std::function<unrolled(const instance&)> script = {};
  std::vector<std::string> participants = {};

  const step* find(std::string_view step_name) const;
  // Throws skald::error (invalid_settings): names that are empty, too long, used twice or hold a slash; a
  // step with neither action nor compensation; a pivot that runs beside another, or is not the only one.
  void check() const;
};

namespace detail {
// The same, for one step.
void check_step(const step& what);
// Functions of the step may refer to `frame`.
void keep_alive(step& what, const std::shared_ptr<void>& frame);
}  // namespace detail

// The definition as a Mermaid flowchart; of a coroutine, only who takes part.
std::string to_mermaid(const definition& of);

// The definitions that an orchestrator knows. Copies share them.
class registry {
 public:
  // Checks it. Throws skald::error (invalid_settings), also for a name and version that is there already.
  void add(definition what);
  std::shared_ptr<const definition> newest(std::string_view name) const;
  std::shared_ptr<const definition> find(std::string_view name, sagas::version version) const;
  // The one that runs instances of that version: the newest that takes them over, else the version itself.
  std::shared_ptr<const definition> for_instance(std::string_view name, sagas::version version) const;
  std::vector<std::shared_ptr<const definition>> all() const;
  // Whom the definitions call.
  std::vector<std::string> participants() const;

 private:
  std::map<std::string, std::map<std::uint32_t, std::shared_ptr<const definition>>, std::less<>> by_name_;
};

}  // namespace skald::sagas
