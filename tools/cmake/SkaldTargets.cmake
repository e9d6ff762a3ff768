# One way to declare each kind of target, so that a folder's CMakeLists.txt only lists its files.
include_guard(GLOBAL)

# Precompiles headers for a target, unless its sources are put together into so few that it is the longer way.
function(skald_precompile_headers name headers)
  get_target_property(sources ${name} SOURCES)
  list(LENGTH sources count)
  if(NOT CMAKE_UNITY_BUILD OR count GREATER 24)
    target_precompile_headers(${name} PRIVATE ${headers})
  endif()
endfunction()

# skald_library(NAME SOURCES ... [PUBLIC_LIBS ...] [PRIVATE_LIBS ...] [INCLUDE dir] [PCH header...])
# A static library skald_NAME with the alias skald::NAME. Sources include each other by their path from
# the repository's root; INCLUDE names a folder of public headers, each of which compiles alone. The libraries
# that skald::client and skald::broker stand on are installed with their public headers; see SkaldInstall.
function(skald_library name)
  cmake_parse_arguments(arg "" "INCLUDE" "SOURCES;PUBLIC_LIBS;PRIVATE_LIBS;PCH" ${ARGN})
  add_library(skald_${name} STATIC ${arg_SOURCES})
  add_library(skald::${name} ALIAS skald_${name})
  set_target_properties(skald_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(skald_${name} PUBLIC cxx_std_20)
  target_include_directories(skald_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(arg_INCLUDE)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${arg_INCLUDE}/*.hpp)
    target_sources(skald_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${arg_INCLUDE} FILES ${headers})
  endif()
  target_link_libraries(skald_${name} PUBLIC ${arg_PUBLIC_LIBS}
    PRIVATE ${arg_PRIVATE_LIBS} $<BUILD_INTERFACE:skald_build_options>)
  if(arg_PCH)
    skald_precompile_headers(skald_${name} "${arg_PCH}")
  endif()
  set_property(GLOBAL APPEND PROPERTY SKALD_LIBRARIES skald_${name})
endfunction()

# skald_executable(NAME SOURCES ... [LIBS ...] [PCH header...])
function(skald_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;PCH" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} skald_build_options)
  if(arg_PCH)
    skald_precompile_headers(${name} "${arg_PCH}")
  endif()
endfunction()

# skald_test(NAME SOURCES ... LIBS ... [LABELS ...] [TIMEOUT seconds] [PCH header...])
# A doctest executable registered with ctest under its own name. tests/main.cpp holds main(). A sanitizer, which
# slows every test down, gives each three times its time.
# Labels that tools/test knows: unit, system, and slow-sanitized (left out where a sanitizer slows it down).
function(skald_test name)
  if(NOT SKALD_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBS;LABELS;PCH" ${ARGN})
  skald_executable(${name} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS} skald_test_main PCH ${arg_PCH})
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(SKALD_SANITIZER)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 3")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# skald_fuzzer(fuzz_NAME SOURCES ... LIBS ... [CORPUS dir])
# A decoder under hostile input; the sources define LLVMFuzzerTestOneInput and CORPUS holds the seeds, which are
# only read. With SKALD_BUILD_FUZZERS it is a libFuzzer executable of the target skald_fuzzers, and a ctest with
# the label fuzz that runs it for SKALD_FUZZ_SECONDS: what it finds stays in the build tree, a crash as
# fuzz_NAME.crash-HASH. Otherwise, so that every compiler and preset runs the same code, it is a unit test called
# fuzz_replay_NAME that replays the seeds and a fixed number of mutations of them.
function(skald_fuzzer name)
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;LIBS" ${ARGN})
  if(NOT SKALD_BUILD_FUZZERS)
    string(REGEX REPLACE "^fuzz_" "fuzz_replay_" replay ${name})
    skald_executable(${replay} SOURCES ${arg_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.cpp LIBS ${arg_LIBS})
    get_filename_component(seeds ${arg_CORPUS} ABSOLUTE)
    add_test(NAME ${replay} COMMAND ${replay} ${seeds})
    set_tests_properties(${replay} PROPERTIES LABELS unit TIMEOUT 120)
    return()
  endif()
  skald_executable(${name} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  if(NOT TARGET skald_fuzzers)
    add_custom_target(skald_fuzzers)
  endif()
  add_dependencies(skald_fuzzers ${name})

  set(found ${CMAKE_CURRENT_BINARY_DIR}/${name}.corpus)
  file(MAKE_DIRECTORY ${found})
  set(seeds)
  if(arg_CORPUS)
    get_filename_component(seeds ${arg_CORPUS} ABSOLUTE)
  endif()
  add_test(NAME ${name} COMMAND ${name} -max_total_time=${SKALD_FUZZ_SECONDS} -timeout=10 -rss_limit_mb=2048
    -print_final_stats=1 -artifact_prefix=${CMAKE_CURRENT_BINARY_DIR}/${name}. ${found} ${seeds})
  math(EXPR limit "${SKALD_FUZZ_SECONDS} + 120")
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT ${limit})
endfunction()
