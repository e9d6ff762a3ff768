#pragma once

#include <chrono>

#include "bench/limit/process.hpp"
#include "bench/limit/report.hpp"

namespace skald::bench::limit {

// How long one measurement has run and may run.
class stopwatch {
 public:
  explicit stopwatch(steady_clock::duration limit) : limit_(limit) {}

  steady_clock::duration elapsed() const { return steady_clock::now() - start_; }
  // Also the place where a busy loop notices SIGINT.
  bool expired() const {
    throw_if_interrupted();
    return elapsed() >= limit_;
  }

 private:
  steady_clock::duration limit_;
  steady_clock::time_point start_ = steady_clock::now();
};

}  // namespace skald::bench::limit
