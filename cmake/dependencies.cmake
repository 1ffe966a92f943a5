# SPDX-License-Identifier: BSL-1.0
# Finds what the library is built on, and names the Debian package of all that is missing at once.
#
# multiprocessing_find(<debian package> <arguments of find_package>...) looks for one package;
# multiprocessing_report_missing() ends the configuration when one of them was not found.

set_property(GLOBAL PROPERTY multiprocessing_missing "")

# A macro: variables that find_package sets, such as Boost_INCLUDE_DIRS, belong to the caller.
macro(multiprocessing_find debian_package package)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    set_property(GLOBAL APPEND PROPERTY multiprocessing_missing ${debian_package})
  endif()
endmacro()

function(multiprocessing_report_missing)
  get_property(missing GLOBAL PROPERTY multiprocessing_missing)
  list(REMOVE_DUPLICATES missing)
  list(JOIN missing " " missing)
  if(missing)
    message(FATAL_ERROR "multiprocessing needs Debian packages that are missing or too old: "
                        "${missing}\nInstall them with\n"
                        "  sudo apt-get install ${missing}\n"
                        "or let ${PROJECT_SOURCE_DIR}/cmake/install-dependencies.sh do it.")
  endif()
endfunction()

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "multiprocessing runs on Linux only, not on ${CMAKE_SYSTEM_NAME}.")
endif()
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14))
  message(FATAL_ERROR "multiprocessing needs GCC 12 or Clang 14; ${CMAKE_CXX_COMPILER} is "
                      "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}. Install the Debian "
                      "package g++-12 and configure with -DCMAKE_CXX_COMPILER=g++-12.")
endif()

find_package(Threads REQUIRED)
multiprocessing_find(libboost-serialization-dev Boost 1.74 CONFIG COMPONENTS serialization)
multiprocessing_find(libfmt-dev fmt 9)
multiprocessing_find(libspdlog-dev spdlog 1.10)
multiprocessing_find(libssl-dev OpenSSL 3.0 COMPONENTS Crypto)
if(MULTIPROCESSING_TESTS)
  multiprocessing_find(libgtest-dev GTest)
endif()
if(MULTIPROCESSING_BENCHMARKS)
  multiprocessing_find(libbenchmark-dev benchmark)
  multiprocessing_find(libcli11-dev CLI11)
endif()
if(Boost_FOUND AND NOT EXISTS "${Boost_INCLUDE_DIRS}/boost/interprocess/interprocess_fwd.hpp")
  set_property(GLOBAL APPEND PROPERTY multiprocessing_missing libboost-dev)
endif()
multiprocessing_report_missing()
