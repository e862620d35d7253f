#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Installs what is missing, builds the benchmarks and measures the library against its contenders:
# one run, interleaved, medians. usage: benchmarks/run.sh [--quick] [--rounds N] [QUESTION...]
set -eu
cd "$(dirname "$0")/.."

missing=()
for package in cmake ninja-build g++ libboost1.81-dev libboost-serialization1.81-dev catch2 \
    zlib1g-dev pigz python3; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

cmake --preset bench >/dev/null
cmake --build --preset bench
exec python3 benchmarks/report.py build/bench "$@"
