// Random histories of everything at once, with kills and restarts in between, compared with a model.
//
// SKALD_MODEL_SEED repeats a history (as far as the moments of kills allow), SKALD_MODEL_STEPS makes it
// longer.
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "tests/effort.hpp"
#include "tests/system/model/world.hpp"

namespace skald::tests {

TEST_CASE("The broker holds what a simple model of it holds, through kills and restarts") {
  const std::uint64_t seed = number_from_environment("SKALD_MODEL_SEED", std::random_device{}());
  CAPTURE(seed);
  MESSAGE("seed ", seed);
  world both(seed);
  const std::uint64_t steps = number_from_environment("SKALD_MODEL_STEPS", effort(1'000));
  for (std::uint64_t i = 0; i < steps; ++i) {
    CAPTURE(i);
    both.step();
  }
  both.finish();
}

}  // namespace skald::tests
