# What `cmake --install` lays down: the programs, their manual pages and completion, and a CMake package, so
# that an outside project says find_package(skald COMPONENTS client) and links skald::client (or another
# component: the embedded broker, skald::broker, or a library around the client).
#
# Which static libraries belong to the package, and which packages of the system they need, follows from the
# link graph below the components; nobody keeps a list.
include_guard(GLOBAL)
include(CMakePackageConfigHelpers)

# Collects what `component` links, at whatever depth below `target`, in two global properties: the skald
# libraries in SKALD_LIBRARIES_<component>, the imported targets in SKALD_IMPORTS_<component>.
function(skald_collect_links component target)
  get_property(found GLOBAL PROPERTY SKALD_LIBRARIES_${component})
  if(target IN_LIST found)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY SKALD_LIBRARIES_${component} ${target})
  get_property(ours GLOBAL PROPERTY SKALD_LIBRARIES)
  get_target_property(links ${target} LINK_LIBRARIES)
  foreach(link IN LISTS links)
    if(NOT TARGET "${link}")
      continue()
    endif()
    get_target_property(aliased ${link} ALIASED_TARGET)
    if(aliased)
      set(link ${aliased})
    endif()
    get_target_property(imported ${link} IMPORTED)
    if(imported)
      set_property(GLOBAL APPEND PROPERTY SKALD_IMPORTS_${component} ${link})
    elseif(link IN_LIST ours)
      skald_collect_links(${component} ${link})
    endif()
  endforeach()
endfunction()

# The line of skaldConfig.cmake that brings the imported target `imported` to an outside project.
function(skald_dependency_line imported line)
  if(imported MATCHES "^Boost::")
    set(text "find_dependency(Boost 1.81)")
  elseif(imported MATCHES "^(Threads|spdlog|CLI11)::")
    set(text "find_dependency(${CMAKE_MATCH_1})")
  elseif(imported STREQUAL PkgConfig::SKALD_LMDB)
    set(text "skald_find_module(SKALD_LMDB lmdb)")
  elseif(imported STREQUAL PkgConfig::SKALD_ZSTD)
    set(text "skald_find_module(SKALD_ZSTD libzstd)")
  elseif(imported STREQUAL PkgConfig::SKALD_LZ4)
    set(text "skald_find_module(SKALD_LZ4 liblz4)")
  elseif(imported STREQUAL PkgConfig::SKALD_ISAL)
    set(text "skald_find_module(SKALD_ISAL libisal)")
  elseif(imported STREQUAL PkgConfig::SKALD_TOMLPP)
    set(text "skald_find_module(SKALD_TOMLPP tomlplusplus)")
  elseif(imported STREQUAL PkgConfig::SKALD_SQLITE)
    set(text "skald_find_module(SKALD_SQLITE sqlite3)")
  elseif(imported STREQUAL PkgConfig::SKALD_LIBPQ)
    set(text "skald_find_module(SKALD_LIBPQ libpq)")
  else()
    message(FATAL_ERROR "${imported} is linked by an installed library, but SkaldInstall.cmake does not know "
                        "how an outside project finds it; add it to skald_dependency_line()")
  endif()
  set(${line} "${text}" PARENT_SCOPE)
endfunction()

set(skald_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/skald)
set(skald_installed)
# What find_package(skald) alone gives: what needs no database. The others are named.
set(SKALD_DEFAULT_COMPONENTS)
set(SKALD_COMPONENTS)
set(SKALD_COMPONENT_DEPENDENCIES)
foreach(component IN ITEMS client broker resilience saga choreography health outbox saga_outbox outbox_sqlite
                   outbox_postgresql eventsourcing eventsourcing_sqlite)
  if(TARGET skald_${component})
    skald_collect_links(${component} skald_${component})
    get_property(libraries GLOBAL PROPERTY SKALD_LIBRARIES_${component})
    get_property(imports GLOBAL PROPERTY SKALD_IMPORTS_${component})
    list(APPEND SKALD_COMPONENTS ${component})
    if(NOT component MATCHES "_(sqlite|postgresql)$")
      list(APPEND SKALD_DEFAULT_COMPONENTS ${component})
    endif()
    list(APPEND skald_installed ${libraries})
    set(lines)
    foreach(imported IN LISTS imports)
      skald_dependency_line(${imported} line)
      list(APPEND lines "  ${line}")
    endforeach()
    list(REMOVE_DUPLICATES lines)
    list(JOIN lines "\n" lines)
    string(APPEND SKALD_COMPONENT_DEPENDENCIES
      "if(\"${component}\" IN_LIST skald_FIND_COMPONENTS)\n${lines}\n  set(skald_${component}_FOUND TRUE)\nendif()\n")
  endif()
endforeach()
list(REMOVE_DUPLICATES skald_installed)

if(skald_installed)
  install(TARGETS ${skald_installed} EXPORT skald_targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT skald_targets NAMESPACE skald:: FILE skaldTargets.cmake DESTINATION ${skald_package_dir})
  configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/skaldConfig.cmake.in
    ${PROJECT_BINARY_DIR}/skaldConfig.cmake INSTALL_DESTINATION ${skald_package_dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/skaldConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/skaldConfig.cmake ${PROJECT_BINARY_DIR}/skaldConfigVersion.cmake
    DESTINATION ${skald_package_dir})
endif()

# Both programs are built into bin/, side by side as they are installed.
foreach(program IN ITEMS skaldd skald)
  if(TARGET ${program})
    set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
file(GLOB skald_man1 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/cli/man/*.1)
file(GLOB skald_man8 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/cli/man/*.8)
file(GLOB skald_completion CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/cli/completion/*)
install(FILES ${skald_man1} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${skald_man8} DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${skald_completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
