# SPDX-License-Identifier: BSL-1.0
# What `cmake --install` puts where: the headers, the library, and how find_package and pkg-config
# find them.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/multiprocessing)

install(TARGETS multiprocessing EXPORT multiprocessing-targets FILE_SET HEADERS)
install(EXPORT multiprocessing-targets NAMESPACE multiprocessing:: DESTINATION ${package_dir})

# A static library's users link what it is built on themselves; a shared one brings it along.
get_target_property(library_type multiprocessing TYPE)
if(library_type STREQUAL "STATIC_LIBRARY")
  set(pc_requires "fmt, spdlog, libcrypto")
  set(pc_requires_private "")
  set(private_dependencies
      "find_dependency(spdlog 1.10)\nfind_dependency(OpenSSL 3.0 COMPONENTS Crypto)")
else()
  set(pc_requires "fmt")
  set(pc_requires_private "spdlog, libcrypto")
  set(private_dependencies "")
endif()
configure_package_config_file(cmake/multiprocessing-config.cmake.in multiprocessing-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(multiprocessing-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/multiprocessing-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/multiprocessing-config-version.cmake
        DESTINATION ${package_dir})

# From <prefix>/lib/pkgconfig back to <prefix>: the tree may be moved after the installation.
file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(cmake/multiprocessing.pc.in multiprocessing.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/multiprocessing.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
