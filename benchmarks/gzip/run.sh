#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Installs what is missing, builds, and measures the parallel gzip example against pigz on real
# files: throughput, size, memory.
# usage: benchmarks/gzip/run.sh [--quick] [--rounds N] [--level L]
set -eu
cd "$(dirname "$0")/../.."

bash cmake/install_packages.sh g++ cmake ninja-build libboost1.81-dev \
    libboost-serialization1.81-dev zlib1g-dev pigz python3
cmake --preset bench >/dev/null
cmake --build --preset bench --target 60_parallel_gzip
exec python3 benchmarks/gzip/measure.py build/bench "$@"
