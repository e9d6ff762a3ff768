// What fuzzers share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

// Called with each input; declared here so that every fuzzer defines exactly this.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace skald::fuzz {

// A property that must hold for every input, in every kind of build.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", property);
  std::abort();
}

// A value that must have been computed, so that the reads behind it happen.
template <class Value>
inline void touch(const Value& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace skald::fuzz
