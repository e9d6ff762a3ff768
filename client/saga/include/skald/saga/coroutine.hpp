// The second form of a saga: a coroutine, whose steps are awaited by name.
//
//   sagas::script create_order(sagas::course<order>& saga) {
//     saga.compensate("create", reject);                                    // registered before the step
//     co_await saga.local("create", create);
//     const reserve_credit wanted{saga.input().total};
//     saga.compensate<release_credit>("credit", "customers", release_credit{wanted.amount});
//     const sagas::answered credit = co_await saga.call<reserve_credit>("credit", "customers", wanted);
//     co_await saga.local("approve", approve, {.pivot = true});
//   }
//   known.add(sagas::scripted<order>("create-order", sagas::version{3}, {"customers"}, create_order));
//
// It runs on the same engine as what saga.hpp builds, with the same steps, timeouts, compensations, pivot,
// timeline, operators' orders and test kit.
//
// How. No coroutine lives between two events. What is stored of an instance has its steps and what they came
// to, the journal. With each event the coroutine is run anew: it gets at once what the journal has of the
// steps that it awaits, up to the first of which the outcome is not known; that one is begun, or waited for.
// So it has to ask for the same steps in the same order each time: its course may depend on the input and on
// what steps came to, and on nothing else, neither clock nor random number nor what another service says;
// such things are steps. Code that asks for another step than the journal has, or for none where the journal
// has one, is not guessed about: the instance is parked, and says which name differs. Give it the code that
// fits, or map the names (definition::migrations), and `skald saga retry`.
//
// Failure. A step that has failed for good, or is of unknown outcome, turns the saga back: the coroutine is
// not resumed, and what is registered is compensated. With step_options::may_fail it is resumed with an error
// that says that the step has not happened. An exception that leaves the coroutine turns the saga back, too;
// behind the pivot it parks it.
//
// Steps beside one another are those that are asked for before the first of them is awaited:
//
//   sagas::pending credit = saga.call<reserve_credit>("credit", "customers", wanted);
//   sagas::pending stock = saga.call<reserve_stock>("stock", "warehouse", items);
//   co_await credit;
//   co_await stock;
//
// Functions given to local() and compensate() run while the coroutine stands where it waits, so that they may
// refer to its variables. Like all local steps they may run again after a crash. What they change of these
// variables is forgotten: what is to be remembered they return.
//
// GCC 12 destroys temporaries twice that own memory and stand in a co_await expression. Arguments are
// therefore read before the call returns, and may be views; a command or function that owns memory is to be
// given a name.
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <skald/saga/codec.hpp>
#include <skald/saga/definition.hpp>
#include <skald/saga/instance.hpp>

namespace skald::sagas {

namespace detail {
class replay;
}

struct step_options {
  milliseconds timeout{30'000};  // for the reply to one attempt
  retry_policy retry = {};
  bool pivot = false;     // once it is done, the saga only goes forward
  bool may_fail = false;  // an error of the participant, or step_failed, is given to the coroutine
};

// By default compensations are tried for some minutes before the saga is parked.
inline constexpr step_options compensation_options{
    .retry = {.max_attempts = 10, .wait = {.max_interval = milliseconds(60'000)}}};

// What a step came to.
class answered {
 public:
  explicit answered(step_outcome what) : what_(std::move(what)) {}
  // It has not happened; only of a step that may fail.
  bool is_failed() const { return what_.failed; }
  // An operator has said that it is dealt with.
  bool is_skipped() const { return what_.skipped; }
  // The name of the reply's type, or of the error's; empty for none.
  const std::string& type() const { return what_.type; }
  const std::string& body() const { return what_.body; }
  template <encodable T>
  bool is() const {
    return what_.type == codec<T>::name;
  }
  // Throws what the codec throws.
  template <encodable T>
  T as() const {
    return codec<T>::from_bytes(what_.body);
  }

 private:
  step_outcome what_;
};

// A step that was asked for.
class pending {
 public:
  pending(detail::replay& of, std::size_t step) : of_(&of), step_(step) {}
  bool await_ready() const;
  void await_suspend(std::coroutine_handle<>) const {}
  answered await_resume() const;

 private:
  detail::replay* of_;
  std::size_t step_;
};
static_assert(std::is_trivially_destructible_v<pending>);

// What the coroutine returns; it owns its frame.
class script {
 public:
  struct promise_type;
  using handle = std::coroutine_handle<promise_type>;

  explicit script(handle made) : handle_(made) {}
  ~script() {
    if (handle_) handle_.destroy();
  }
  script(script&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  script& operator=(script&&) = delete;

  // To where it waits, or to its end. What has left it is thrown.
  void run();
  bool is_done() const { return handle_.done(); }

 private:
  handle handle_;
};

struct script::promise_type {
  script get_return_object() { return script(handle::from_promise(*this)); }
  std::suspend_always initial_suspend() noexcept { return {}; }
  std::suspend_always final_suspend() noexcept { return {}; }
  void return_void() {}
  void unhandled_exception() { failed = std::current_exception(); }
  std::exception_ptr failed;
};

inline void script::run() {
  handle_.resume();
  if (handle_.promise().failed) std::rethrow_exception(handle_.promise().failed);
}

// ---- what the journal is compared with -------------------------------------------------------------------

namespace detail {

// One run of a coroutine against the journal of an instance.
class replay {
 public:
  explicit replay(const instance& of);

  // Throws skald::error (invalid_settings) for what no saga may have.
  void compensate(std::string_view step, action how);
  pending ask(sagas::step what);
  bool is_settled();
  answered outcome(std::size_t step) const;

  std::string_view id() const { return id_; }
  const std::string& data() const { return data_; }
  std::vector<step>& steps() { return asked_; }
  // What differs from the journal; empty: nothing. `ended`: the coroutine asks for nothing more.
  std::string mismatch() const { return mismatch_; }
  void check_all_asked(bool ended);

 private:
  struct entry {
    std::string step;
    std::optional<step_outcome> outcome;
  };

  std::string id_;
  std::string data_;
  std::vector<entry> journal_;
  std::vector<step> asked_;
  std::map<std::string, action, std::less<>> undo_;  // of steps that are not asked for yet
  bool together_ = false;                            // nothing was awaited since the last step was asked for
  std::string mismatch_;
};

}  // namespace detail

// ---- what the coroutine is given -------------------------------------------------------------------------

template <encodable Data>
class course {
 public:
  explicit course(detail::replay& of) : of_(of), input_(codec<Data>::from_bytes(of.data())) {}

  std::string_view id() const { return of_.id(); }
  // What the saga was started with.
  const Data& input() const { return input_; }

  // How the step of that name is undone, once it is done or may have been: by a participant ...
  template <encodable Command>
  void compensate(std::string_view step, std::string_view participant, const Command& with,
                  step_options how = compensation_options) {
    of_.compensate(step, call_of(participant, with, how));
  }
  // ... or here: void() or void(local_step&).
  template <class F>
    requires std::invocable<const F&> || std::invocable<const F&, local_step&>
  void compensate(std::string_view step, F work, step_options how = compensation_options) {
    of_.compensate(step, local_of(std::move(work), how));
  }

  // Done by a participant.
  template <encodable Command>
  [[nodiscard]] pending call(std::string_view step, std::string_view participant, const Command& with,
                             step_options how = {}) {
    return ask(step, call_of(participant, with, how), how);
  }
  // Done here: nothing or an encodable result, from () or (local_step&). It throws step_failed when it cannot
  // be done.
  template <class F>
    requires std::invocable<const F&> || std::invocable<const F&, local_step&>
  [[nodiscard]] pending local(std::string_view step, F work, step_options how = {}) {
    return ask(step, local_of(std::move(work), how), how);
  }

 private:
  pending ask(std::string_view step, action does, const step_options& how) {
    return of_.ask(
        {.name = std::string(step), .act = std::move(does), .pivot = how.pivot, .may_fail = how.may_fail});
  }
  template <class Command>
  static action call_of(std::string_view participant, const Command& with, const step_options& how) {
    return {
        .participant = std::string(participant),
        .command = std::string(codec<Command>::name),
        .make = [bytes = std::string(codec<Command>::to_bytes(with))](const std::string&) { return bytes; },
        .timeout = how.timeout,
        .retry = how.retry};
  }
  template <class F>
  static action local_of(F work, const step_options& how) {
    return {.local = [work = std::move(work)](std::string&, local_step& at) { run_local(work, at); },
            .timeout = how.timeout,
            .retry = how.retry};
  }
  template <class F>
  static decltype(auto) invoke(const F& work, local_step& at) {
    if constexpr (std::is_invocable_v<const F&, local_step&>) {
      return work(at);
    } else {
      return work();
    }
  }
  template <class F>
  static void run_local(const F& work, local_step& at) {
    using result = std::remove_cvref_t<decltype(invoke(work, at))>;
    if constexpr (std::is_void_v<result>) {
      invoke(work, at);
    } else {
      at.result() = {.type = std::string(codec<result>::name),
                     .body = codec<result>::to_bytes(invoke(work, at))};
    }
  }

  detail::replay& of_;
  Data input_;
};

// ---- the definition --------------------------------------------------------------------------------------

// A coroutine as a definition. `participants` are those that it may call. `code` is kept; should it be a
// lambda with captures, they are what each run sees.
template <encodable Data, class F>
  requires std::is_invocable_r_v<script, const F&, course<Data>&>
definition scripted(std::string name, sagas::version version, std::vector<std::string> participants, F code) {
  struct run {
    run(const instance& of, const F& code) : journal(of), saga(journal), frame(code(saga)) {}
    detail::replay journal;
    course<Data> saga;
    script frame;
  };
  definition made{.name = std::move(name), .version = version, .participants = std::move(participants)};
  made.script = [code = std::move(code)](const instance& of) {
    unrolled is;
    std::shared_ptr<run> one;
    try {
      one = std::make_shared<run>(of, code);
      one->frame.run();
    } catch (const std::exception& why) {
      is.failed = why.what();
    }
    if (!one) return is;
    const bool ended = one->frame.is_done();
    one->journal.check_all_asked(ended);
    is.ended = ended;
    is.mismatch = one->journal.mismatch();
    // Functions of steps may refer to the frame, which lives as long as they do.
    is.steps = std::move(one->journal.steps());
    for (step& at : is.steps) detail::keep_alive(at, one);
    return is;
  };
  return made;
}

}  // namespace skald::sagas
