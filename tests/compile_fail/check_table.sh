#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# What docs/compile-errors.md says that the compiler says is what the test in the same row expects:
# its whole text stands in a header, and the test's text is a part of it.
#
# usage: check_table.sh SOURCE-DIRECTORY
set -u
cd "$1" || exit 1
texts=$(mktemp)
trap 'rm -f "$texts"' EXIT
# the literals of static_asserts, which the source breaks into lines
find include -name '*.hpp' -exec cat {} + | tr '\n' ' ' | sed 's/" *"//g' >"$texts"

failures=0
rows=0
while IFS='|' read -r _ _ said test _; do
    test=${test// /}
    said=$(sed 's/^ *//; s/ *$//' <<<"$said")
    rows=$((rows + 1))
    expected=$(sed -n '1s|^// expect: ||p' "tests/compile_fail/$test.cpp")
    [ -n "$expected" ] || { echo "FAILED: no test $test"; failures=1; continue; }
    [[ $said == *"$expected"* ]] || { echo "FAILED: $test expects '$expected'"; failures=1; }
    [[ $said == "the compiler's own words"* ]] || grep -qF -- "$said" "$texts" ||
        { echo "FAILED: no header says: $said"; failures=1; }
done < <(grep '^|.*|$' docs/compile-errors.md | tail -n +3)
[ "$rows" -ge 10 ] || { echo "FAILED: $rows rows in the table"; exit 1; }
exit $failures
