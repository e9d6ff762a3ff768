#pragma once

#include <chrono>
#include <thread>

#include "tests/system/support/child_process.hpp"

namespace skald::tests {

// Waits until it holds. The condition asks a broker or a service, which takes its time.
template <class Condition>
bool becomes(Condition holds) {
  const auto deadline = std::chrono::steady_clock::now() + 2 * patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace skald::tests
