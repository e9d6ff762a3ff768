# Installs the build tree, then configures, builds and runs the project in outside/ against what was installed.
cmake_minimum_required(VERSION 3.25)

set(outside ${CMAKE_CURRENT_LIST_DIR}/outside)
set(prefix ${SKALD_WORK}/prefix)
set(boost_hint)
if(SKALD_BOOST)
  # Whoever has their Boost in an unusual place says so for every project of theirs.
  set(boost_hint -D BOOST_ROOT=${SKALD_BOOST})
endif()

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(configure build)
  run(${CMAKE_COMMAND} -G Ninja -S ${outside} -B ${SKALD_WORK}/${build} -D CMAKE_PREFIX_PATH=${prefix}
    -D CMAKE_CXX_COMPILER=${SKALD_CXX} -D CMAKE_BUILD_TYPE=${SKALD_BUILD_TYPE} ${boost_hint} ${ARGN})
endfunction()

file(REMOVE_RECURSE ${SKALD_WORK})
run(${CMAKE_COMMAND} --install ${SKALD_BUILD_TREE} --prefix ${prefix})
foreach(program IN ITEMS skaldd skald)
  run(${prefix}/bin/${program} --version)
endforeach()

# Nothing that is installed may point back into the build tree or the sources.
file(GLOB_RECURSE package_files ${prefix}/*.cmake)
get_filename_component(source_tree ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
foreach(file IN LISTS package_files)
  file(READ ${file} text)
  foreach(tree IN ITEMS ${SKALD_BUILD_TREE} ${source_tree})
    string(REPLACE "${prefix}" "" text "${text}")
    string(FIND "${text}" "${tree}" place)
    if(NOT place EQUAL -1)
      message(FATAL_ERROR "${file} mentions ${tree}, where an installed package has no business")
    endif()
  endforeach()
endforeach()

configure(build)
run(${CMAKE_COMMAND} --build ${SKALD_WORK}/build)
run(${SKALD_WORK}/build/embedded_broker ${SKALD_WORK}/data ${SKALD_WORK}/build/greeting)
run(${SKALD_WORK}/build/outbox)
