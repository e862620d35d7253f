#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Installs what is missing, builds everything and runs all tests.
#
# usage: bash tests/run.sh [PRESET] [CTEST-ARGUMENT...]
#   PRESET  dev (default), clang, release, asan, tsan: see CMakePresets.json
#   bash tests/run.sh asan -R pool      the pool's tests with the address sanitizer
set -eu
cd "$(dirname "$(realpath "$0")")/.."

preset=dev
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    preset=$1
    shift
fi

packages=(g++ cmake ninja-build libboost1.81-dev libboost-serialization1.81-dev libssl-dev
    libboost-mpi1.81-dev libopenmpi-dev openmpi-bin catch2 zlib1g-dev libpng-dev pigz python3 pkg-config)
case $preset in
clang) packages+=(clang-16) ;;
asan | tsan) packages+=(clang-16 libclang-rt-16-dev llvm-16) ;;
esac
bash cmake/install_packages.sh "${packages[@]}"

cmake --preset "$preset"
cmake --build --preset "$preset" -j "$(nproc)"
ctest --preset "$preset" -j "$(nproc)" "$@"
