#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Measures the parallel gzip example against pigz on real files: throughput, size, memory.
# usage: benchmarks/gzip/run.sh [--quick] [--rounds N] [--level L]
set -eu
cd "$(dirname "$0")/../.."

cmake --preset bench >/dev/null
cmake --build --preset bench
exec python3 benchmarks/gzip/measure.py build/bench "$@"
