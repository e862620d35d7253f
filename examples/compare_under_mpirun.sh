#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# A program that writes a file must write the same bytes alone and as three ranks.
#
# usage: compare_under_mpirun.sh MPIRUN PROGRAM
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$2" "$work/alone"
"$1" --allow-run-as-root --oversubscribe -n 3 "$2" "$work/ranks"
[ -s "$work/alone" ] || { echo "an empty file"; exit 1; }
cmp "$work/alone" "$work/ranks"
