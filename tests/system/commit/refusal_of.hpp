#pragma once

#include <doctest/doctest.h>

#include <skald/commit.hpp>

namespace skald::tests {

// What `work` is refused with; fails the test when it is not.
template <class Work>
commit_refused refusal_of(Work work) {
  try {
    work();
  } catch (const commit_refused& why) {
    return why;
  }
  FAIL("it was not refused");
  throw;
}

}  // namespace skald::tests
