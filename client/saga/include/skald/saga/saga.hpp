// Sagas: work of several services that succeeds as a whole, or is undone.
//
//   const sagas::definition create_order_saga =
//       sagas::saga<create_order>("create-order", sagas::version{2})
//           .step("create").local(create).compensate(reject)
//           .step("credit").call<reserve_credit>("customers", make_reserve)
//               .on<credit_limit_exceeded>(note_reason)
//               .timeout(30s).retry(sagas::exponential{}).compensate<release_credit>(make_release)
//           .pivot("approve").local(approve)
//           .build();
//
// What follows step(), beside() or pivot() is said about that step. A saga<Data> only gathers; build() checks
// and gives plain data, which an orchestrator runs (orchestrator.hpp) and a test plays through (testing.hpp).
//
// Functions given here are kept, and called from whichever thread runs the orchestrator. All but those of
// local steps only compute: they may be called again. A local step's function may run again after a crash,
// too.
#pragma once

#include <concepts>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <skald/protocol/error.hpp>
#include <skald/saga/codec.hpp>
#include <skald/saga/definition.hpp>

namespace skald::sagas {

template <encodable Data>
class saga {
 public:
  explicit saga(std::string name, sagas::version version = {}) {
    made_.name = std::move(name);
    made_.version = version;
  }

  // A step after all those before.
  saga& step(std::string_view name) { return add({.name = std::string(name)}); }
  // A step that runs together with the one before.
  saga& beside(std::string_view name) { return add({.name = std::string(name), .beside = true}); }
  // The step that decides: once it is done, the saga only goes forward.
  saga& pivot(std::string_view name) { return add({.name = std::string(name), .pivot = true}); }

  // Done here: void(Data&) or void(Data&, local_step&). It throws step_failed when it cannot be done.
  template <class F>
  saga& local(F work) {
    current().act.local = erase_local(std::move(work));
    return *this;
  }
  // Done by a participant: Command(const Data&).
  template <encodable Command, class F>
    requires std::is_invocable_r_v<Command, F&, const Data&>
  saga& call(std::string participant, F make) {
    set_call<Command>(current().act, std::move(participant), std::move(make));
    return *this;
  }
  // What a reply of this type does to the data: void(Data&, const Reply&).
  template <encodable Reply, class F>
  saga& then(F work) {
    current().successes[std::string(codec<Reply>::name)] = [work = std::move(work)](std::string& data,
                                                                                    std::string_view body) {
      Data decoded = codec<Data>::from_bytes(data);
      work(decoded, codec<Reply>::from_bytes(body));
      data = codec<Data>::to_bytes(decoded);
    };
    return *this;
  }
  // What an error of this type does: decision(Data&, const Error&), or void, which compensates.
  template <encodable Error, class F>
    requires std::invocable<F&, Data&, const Error&>
  saga& on(F work) {
    current().errors[std::string(codec<Error>::name)] = [work = std::move(work)](std::string& data,
                                                                                 std::string_view body) {
      decision decided = decision::compensate;
      Data decoded = codec<Data>::from_bytes(data);
      if constexpr (std::is_void_v<std::invoke_result_t<const F&, Data&, const Error&>>) {
        work(decoded, codec<Error>::from_bytes(body));
      } else {
        decided = work(decoded, codec<Error>::from_bytes(body));
      }
      data = codec<Data>::to_bytes(decoded);
      return decided;
    };
    return *this;
  }
  template <encodable Error>
  saga& on(decision always) {
    current().errors[std::string(codec<Error>::name)] = [always](std::string&, std::string_view) {
      return always;
    };
    return *this;
  }

  // Only if this holds when its turn comes: bool(const Data&).
  template <class F>
  saga& when(F condition) {
    current().condition = [condition = std::move(condition)](const std::string& data) {
      return static_cast<bool>(condition(codec<Data>::from_bytes(data)));
    };
    return *this;
  }
  saga& timeout(milliseconds of_one_attempt) {
    current().act.timeout = of_one_attempt;
    return *this;
  }
  saga& retry(exponential wait, std::uint32_t max_attempts = 3) {
    current().act.retry = {max_attempts, wait};
    return *this;
  }

  // How the step is undone, here or by a participant (the step's own, unless another is named). A step may
  // have nothing else: what it stands for was done before the saga began.
  template <class F>
    requires std::invocable<F&, Data&> || std::invocable<F&, Data&, local_step&>
  saga& compensate(F work) {
    undo().local = erase_local(std::move(work));
    return *this;
  }
  template <encodable Command, class F>
    requires std::is_invocable_r_v<Command, F&, const Data&>
  saga& compensate(F make) {
    std::string same = current().act.participant;
    set_call<Command>(undo(), std::move(same), std::move(make));
    return *this;
  }
  template <encodable Command, class F>
    requires std::is_invocable_r_v<Command, F&, const Data&>
  saga& compensate(std::string participant, F make) {
    set_call<Command>(undo(), std::move(participant), std::move(make));
    return *this;
  }
  saga& compensation_timeout(milliseconds of_one_attempt) {
    undo().timeout = of_one_attempt;
    return *this;
  }
  saga& compensation_retry(exponential wait, std::uint32_t max_attempts) {
    undo().retry = {max_attempts, wait};
    return *this;
  }

  // Running instances of that version go on as this one; `names` has those that have changed, old to new.
  saga& migrates(sagas::version from, std::map<std::string, std::string> names = {}) {
    made_.migrations[from.number] = std::move(names);
    return *this;
  }

  // Throws skald::error (invalid_settings) for what cannot be run.
  definition build() {
    made_.check();
    return made_;
  }

 private:
  // Compensations matter: by default they are tried for some minutes before the saga is parked.
  static constexpr std::uint32_t undo_attempts = 10;

  saga& add(sagas::step next) {
    made_.steps.push_back(std::move(next));
    return *this;
  }
  sagas::step& current() {
    if (made_.steps.empty())
      throw error(errc::invalid_settings, "saga '" + made_.name + "': begin with step()");
    return made_.steps.back();
  }
  action& undo() {
    std::optional<action>& of = current().undo;
    if (!of)
      of = action{.retry = {.max_attempts = undo_attempts, .wait = {.max_interval = milliseconds(60'000)}}};
    return *of;
  }
  template <class F>
  static std::function<void(std::string&, local_step&)> erase_local(F work) {
    return [work = std::move(work)](std::string& data, local_step& at) {
      Data decoded = codec<Data>::from_bytes(data);
      if constexpr (std::is_invocable_v<const F&, Data&, local_step&>) {
        work(decoded, at);
      } else {
        work(decoded);
      }
      data = codec<Data>::to_bytes(decoded);
    };
  }
  template <class Command, class F>
  static void set_call(action& of, std::string participant, F make) {
    of.participant = std::move(participant);
    of.command = std::string(codec<Command>::name);
    of.make = [make = std::move(make)](const std::string& data) {
      return std::string(codec<Command>::to_bytes(make(codec<Data>::from_bytes(data))));
    };
  }

  definition made_;
};

}  // namespace skald::sagas
