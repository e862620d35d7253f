#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Installs what is missing, builds the benchmarks and measures the library against its contenders:
# one run, interleaved, medians. usage: benchmarks/run.sh [--quick] [--rounds N] [QUESTION...]
set -eu
cd "$(dirname "$0")/.."

bash cmake/install_packages.sh g++ cmake ninja-build libboost1.81-dev \
    libboost-serialization1.81-dev libssl-dev python3
cmake --preset bench >/dev/null
cmake --build --preset bench --target benchmarks
exec python3 benchmarks/report.py build/bench "$@"
