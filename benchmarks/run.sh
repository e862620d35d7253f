#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Installs what is missing, builds the benchmarks, measures the library beside its contenders and
# writes docs/benchmarks.md with its pictures. README.md, beside this file, says more.
#
# usage: bash benchmarks/run.sh [--quick] [--question NAME]... [--workers N]... [--rounds N]
#                               [--json FILE] [--help]
set -eu
cd "$(dirname "$(realpath "$0")")/.."

needed=(g++ cmake ninja-build libboost1.81-dev libboost-serialization1.81-dev libssl-dev python3
    python3-matplotlib)
contenders=(libbenchmark-dev libtbb-dev libopenmpi-dev openmpi-bin libboost-mpi1.81-dev libzmq3-dev
    redis-server python3-joblib python3-mpi4py)
bash cmake/install_packages.sh "${needed[@]}"
bash cmake/install_packages.sh "${contenders[@]}" ||
    echo "Some contenders cannot be installed here; they are left out." >&2
log=build/bench/benchmarks.log
mkdir -p build/bench
echo "Building the benchmarks ..."
if ! { cmake --preset bench && cmake --build --preset bench -j "$(nproc)" --target benchmarks; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
# Debian's own interpreter is the one that has Debian's matplotlib and joblib.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
exec "$python" benchmarks/suite build/bench "$@"
