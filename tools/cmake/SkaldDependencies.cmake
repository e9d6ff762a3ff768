# The libraries skald stands on, each a Debian 12 package, as imported targets with one spelling.
include_guard(GLOBAL)

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# Boost 1.81 or newer, headers only. Where libboost1.74-dev occupies the system, set-up unpacks 1.81 into
# the build tree and passes -DSKALD_BOOST_ROOT=DIR.
set(SKALD_BOOST_ROOT "" CACHE PATH "A prefix with Boost >= 1.81 headers, when the system's are older")
if(SKALD_BOOST_ROOT)
  set(BOOST_ROOT "${SKALD_BOOST_ROOT}")
  set(Boost_NO_SYSTEM_PATHS ON)
endif()
find_package(Boost 1.81 REQUIRED)

find_package(flatbuffers CONFIG QUIET)
if(NOT flatbuffers_FOUND)
  find_package(FlatBuffers CONFIG REQUIRED)
endif()
find_program(SKALD_FLATC flatc REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(doctest REQUIRED)
pkg_check_modules(SKALD_LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(SKALD_ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(SKALD_LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(SKALD_ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(SKALD_TOMLPP REQUIRED IMPORTED_TARGET tomlplusplus)
if(SKALD_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
