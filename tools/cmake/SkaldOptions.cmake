# How everything is compiled: language, warnings, sanitizers, and the tools that make builds quick.
include_guard(GLOBAL)

option(SKALD_BUILD_TESTS "Build the test suites" ${PROJECT_IS_TOP_LEVEL})
option(SKALD_BUILD_BENCH "Build the benchmarks" OFF)
option(SKALD_BUILD_FUZZERS "Build the libFuzzer targets (needs clang)" OFF)
option(SKALD_WERROR "Treat compiler warnings as errors" ON)
set(SKALD_SANITIZER "" CACHE STRING "Sanitizers to compile with, as -fsanitize= takes them")
set(SKALD_FUZZ_SECONDS 10 CACHE STRING "How long ctest runs each fuzzer")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")

# Every public header has to compile alone: the target all_verify_interface_header_sets compiles each.
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

find_program(SKALD_CCACHE ccache)
if(SKALD_CCACHE)
  # ccache trusts a precompiled header only when the macros defined before it and the time macros are declared
  # harmless, and GCC has to keep the #pragma that names it in the preprocessed text (-fpch-preprocess). Paths
  # inside the source tree are hashed relative to it, and mapped out of the debug information, so that
  # another clone of the same sources finds what this one compiled.
  # Sources are compared themselves (depend mode), not their preprocessed text, in which a changed comment does
  # not show: a precompiled header found that way holds the header's old text, which GCC's #pragma once tells
  # from the new one, and every class in it is defined twice. The namespace leaves entries made otherwise alone.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_DEPEND=1 CCACHE_NAMESPACE=skald-depend ${SKALD_CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  add_compile_options(-fdebug-prefix-map=${PROJECT_SOURCE_DIR}=.)
endif()
# Clang stamps a precompiled header with the times of the files it was made of, which defeats ccache.
add_compile_options("$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")

find_program(SKALD_MOLD mold)
if(SKALD_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Everything that every skald target shares; never exported.
add_library(skald_build_options INTERFACE)
target_compile_options(skald_build_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${SKALD_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:GNU>:-fcoroutines -Wno-mismatched-new-delete>
  # Where sources are put together, GCC takes them for headers and warns of types there that are local, and a
  # local name may be a namespace's in the source before. The debug preset compiles each alone.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage -Wno-shadow -Wshadow=local>
  $<$<AND:$<CXX_COMPILER_ID:Clang>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-shadow>
  # GCC 12 sees bounds violated in copies of vectors that it has inlined, where there are none.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-array-bounds>
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-stringop-overflow>
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

if(SKALD_SANITIZER)
  add_compile_options(-fsanitize=${SKALD_SANITIZER} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SKALD_SANITIZER})
  if(SKALD_SANITIZER MATCHES "thread")
    # Asio fences around handlers, which GCC cannot instrument; what they order, mutexes order as well.
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
  if(SKALD_SANITIZER MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()
if(SKALD_BUILD_FUZZERS)
  # The libraries under test report their coverage to the fuzzer; only the fuzzers themselves get its main().
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
