// How much a test does that could go on for ever: random histories, mutations, kills.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace skald::tests {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

// Whether every history ends well is for the optimised build to try, which runs them all. A sanitizer watches
// what the code does on the way: a tenth of them goes everywhere, and it makes each take ten times as long.
constexpr std::uint64_t effort(std::uint64_t repetitions) {
  return sanitized ? repetitions / 10 : repetitions;
}

// What the environment variable `name` says, so that one can ask for a longer run, or for the same one again.
// Throws std::invalid_argument if it is no number.
inline std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* const given = std::getenv(name);
  return given == nullptr ? otherwise : std::stoull(given);
}

}  // namespace skald::tests
