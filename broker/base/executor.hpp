// Where work runs: the seam between the pure parts of the broker and its event loops.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

namespace skald {

// Runs tasks one after another, in the order posted. post() and post_after() may be called from any thread
// and never run the task before they return.
class executor {
 public:
  using task = std::function<void()>;
  virtual ~executor() = default;
  virtual void post(task work) = 0;
  virtual void post_after(std::chrono::milliseconds delay, task work) = 0;
  // Runs `work` once nothing else is ready to run, which it is told; or, if that does not come about soon,
  // all the same. Called on this executor. One that cannot tell is always busy.
  enum class load { idle, busy };
  virtual void post_when_idle(std::function<void(load)> work) {
    post([work = std::move(work)] { work(load::busy); });
  }
  // Whether the caller runs on this executor; contracts assert it.
  virtual bool running_here() const = 0;
};

}  // namespace skald
