# SPDX-License-Identifier: BSL-1.0
# Port of the tree in which it lies: vcpkg install multiprocessing --overlay-ports=cmake/vcpkg
set(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../..")
set(VCPKG_BUILD_TYPE release) # only headers

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}" OPTIONS -DMULTIPROCESSING_TESTS=OFF -DMULTIPROCESSING_EXAMPLES=OFF
                                       -DMULTIPROCESSING_BENCHMARKS=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/multiprocessing)
vcpkg_fixup_pkgconfig()
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
