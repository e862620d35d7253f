#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# A program without freeze_support() must not become a fork bomb: its main runs twice, once in the
# child that says what is missing, and the parent throws with the same words.
#
# usage: test_no_freeze_support.sh DIRECTORY-OF-THE-PROGRAM
set -u
program=$(find "$1" -name no_freeze_support -type f -perm -u+x | head -n 1)
[ -n "$program" ] || { echo "no no_freeze_support in $1"; exit 1; }
text='freeze_support() must be the first statement of main()'
failures=0
check() {
    if ! eval "$2"; then
        echo "FAILED ($method): $1"
        failures=$((failures + 1))
    fi
}
for method in spawn forkserver; do
    out=$(mktemp) errors=$(mktemp)
    timeout 60 "$program" "$method" >"$out" 2>"$errors"
    status=$?
    check "exit status 3, not $status" '[ "$status" -eq 3 ]'
    check "main began twice" '[ "$(grep -c "main begins" "$out")" -eq 2 ]'
    check "nothing worked" '! grep -q worked "$out"'
    check "the parent throws with the words" 'grep -q "^ProcessError: .*$text" "$out"'
    check "the child says the words" 'grep -qx "$text" "$errors"'
    check "the words come once" '[ "$(grep -c . "$errors")" -eq 1 ]'
    [ "$failures" -eq 0 ] || cat "$out" "$errors"
    rm -f "$out" "$errors"
done
[ "$failures" -eq 0 ] && echo "test_no_freeze_support: passed"
exit "$failures"
