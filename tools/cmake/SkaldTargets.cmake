# One way to declare each kind of target, so that a folder's CMakeLists.txt only lists its files.
include_guard(GLOBAL)

# skald_library(NAME SOURCES ... [PUBLIC_LIBS ...] [PRIVATE_LIBS ...] [INCLUDE dir] [PCH header...])
# A static library skald_NAME with the alias skald::NAME. Sources include each other by their path from
# the repository's root; INCLUDE names a folder of public headers that are installed.
function(skald_library name)
  cmake_parse_arguments(arg "" "INCLUDE" "SOURCES;PUBLIC_LIBS;PRIVATE_LIBS;PCH" ${ARGN})
  add_library(skald_${name} STATIC ${arg_SOURCES})
  add_library(skald::${name} ALIAS skald_${name})
  set_target_properties(skald_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(skald_${name} PUBLIC cxx_std_20)
  target_include_directories(skald_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(arg_INCLUDE)
    target_include_directories(skald_${name} PUBLIC
      $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/${arg_INCLUDE}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  endif()
  target_link_libraries(skald_${name} PUBLIC ${arg_PUBLIC_LIBS}
    PRIVATE ${arg_PRIVATE_LIBS} $<BUILD_INTERFACE:skald_build_options>)
  if(arg_PCH)
    target_precompile_headers(skald_${name} PRIVATE ${arg_PCH})
  endif()
endfunction()

# skald_executable(NAME SOURCES ... [LIBS ...] [PCH header...])
function(skald_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;PCH" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} skald_build_options)
  if(arg_PCH)
    target_precompile_headers(${name} PRIVATE ${arg_PCH})
  endif()
endfunction()

# skald_test(NAME SOURCES ... LIBS ... [LABELS ...] [TIMEOUT seconds] [PCH header...])
# A doctest executable registered with ctest under its own name. tests/main.cpp holds main().
function(skald_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBS;LABELS;PCH" ${ARGN})
  skald_executable(${name} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS} skald_test_main PCH ${arg_PCH})
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
