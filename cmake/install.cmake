# SPDX-License-Identifier: BSL-1.0
# Installs the headers and what find_package(multiprocessing) and pkg-config find.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_folder "${CMAKE_INSTALL_DATADIR}/cmake/multiprocessing")

install(TARGETS multiprocessing EXPORT multiprocessing FILE_SET HEADERS)
install(TARGETS multiprocessing_mpi FILE_SET HEADERS)  # its target is made where it is found
install(
  EXPORT multiprocessing
  NAMESPACE multiprocessing::
  FILE multiprocessingTargets.cmake
  DESTINATION "${package_folder}")
configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/multiprocessingConfig.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/multiprocessingConfig.cmake"
  INSTALL_DESTINATION "${package_folder}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${CMAKE_CURRENT_BINARY_DIR}/multiprocessingConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/multiprocessingConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/multiprocessingConfigVersion.cmake"
        DESTINATION "${package_folder}")

# The folder of multiprocessing.pc knows where the rest lies, wherever all of it is moved.
set(pc_folder "${CMAKE_INSTALL_DATADIR}/pkgconfig")
file(RELATIVE_PATH prefix_from_pc "/${pc_folder}" "/")
configure_file("${CMAKE_CURRENT_LIST_DIR}/multiprocessing.pc.in" multiprocessing.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/multiprocessing.pc" DESTINATION "${pc_folder}")

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
