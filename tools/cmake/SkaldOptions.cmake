# How everything is compiled: language, warnings, sanitizers, and the tools that make builds quick.
include_guard(GLOBAL)

option(SKALD_BUILD_TESTS "Build the test suites" ${PROJECT_IS_TOP_LEVEL})
option(SKALD_BUILD_BENCH "Build the benchmarks" OFF)
option(SKALD_BUILD_FUZZERS "Build the libFuzzer targets (needs clang)" OFF)
set(SKALD_SANITIZER "" CACHE STRING "Sanitizers to compile with, as -fsanitize= takes them")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")

find_program(SKALD_CCACHE ccache)
if(SKALD_CCACHE)
  # Precompiled headers and ccache agree only when time macros and PCH defines are declared harmless.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${SKALD_CCACHE})
endif()
find_program(SKALD_MOLD mold)
if(SKALD_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Everything that every skald target shares; never exported.
add_library(skald_build_options INTERFACE)
target_compile_options(skald_build_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  $<$<CXX_COMPILER_ID:GNU>:-fcoroutines -Wno-mismatched-new-delete>)
if(SKALD_SANITIZER)
  add_compile_options(-fsanitize=${SKALD_SANITIZER} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SKALD_SANITIZER})
  if(SKALD_SANITIZER MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()
