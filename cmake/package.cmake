# SPDX-License-Identifier: BSL-1.0
# cpack in the build folder makes a Debian package of what is installed.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the maintainers of multiprocessing")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_PACKAGE_NAME libmultiprocessing-dev)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libboost1.81-dev, libboost-serialization1.81-dev")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libssl-dev")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Header-only.
Worker processes that are called like functions, pools of them, and what
processes share: locks, queues, values and arrays in shared memory,
connections, managers.")
# Where Debian looks for the license.
configure_file("${PROJECT_SOURCE_DIR}/LICENSE" package_documents/copyright COPYONLY)
set(CPACK_INSTALLED_DIRECTORIES "${CMAKE_CURRENT_BINARY_DIR}/package_documents"
                                "usr/share/doc/${CPACK_DEBIAN_PACKAGE_NAME}")
include(CPack)
