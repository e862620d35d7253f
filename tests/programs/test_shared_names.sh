#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# However a program ends, by SIGTERM, by SIGKILL or from main, and however its child was started:
# within five seconds /dev/shm holds none of their names, and nobody has complained.
# (TestNamedResource.test_global_named_resource_spawn,
#  _TestSharedMemory.test_shared_memory_cleaned_after_process_termination)
#
# usage: test_shared_names.sh DIRECTORY-OF-THE-PROGRAM
set -u
program=$(find "$1" -name shared_names -type f -perm -u+x | head -n 1)
[ -n "$program" ] || { echo "no shared_names in $1"; exit 1; }
failures=0
check() {
    if ! eval "$2"; then
        echo "FAILED ($method, $end): $1"
        failures=$((failures + 1))
    fi
}
# polls a condition for so many hundredths of a second
within() {
    local left=$1
    until eval "$2"; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.01
    done
}
# the names that are still there
left_over() {
    (cd /dev/shm && ls -d $(grep -v ready "$out") *"$SHARED_NAMES_LOCK" 2>/dev/null)
}
for method in fork spawn forkserver; do
    for end in TERM KILL main; do
        out=$(mktemp) errors=$(mktemp)
        export SHARED_NAMES_LOCK="shared_names-$$-$method-$end"
        how=wait expected=0
        [ "$end" = main ] && how=end
        timeout --foreground 60 "$program" "$method" "$how" >"$out" 2>"$errors" &
        job=$!
        if [ "$how" = wait ]; then
            check "it is ready" 'within 3000 "grep -qx ready \"\$out\""'
            check "there are three names and the lock's" '[ "$(left_over | wc -l)" -eq 4 ]'
            # the kernel may close a killed process's files last: as if this one were one of them
            exec {late}<"/dev/shm/multiprocessing-$(id -u)-lock-$SHARED_NAMES_LOCK"
            flock --shared "$late"
            read -r pid _ <"/proc/$job/task/$job/children" # timeout has one child
            kill -"$end" "$pid"
            sleep 0.2
            exec {late}<&-
            expected=$((128 + $(kill -l "$end")))
        fi
        wait "$job" 2>/dev/null
        status=$?
        check "exit status $expected, not $status" '[ "$status" -eq "$expected" ]'
        check "it told its names" '[ "$(wc -l <"$out")" -eq 4 ]'
        check "left in /dev/shm: $(within 500 '[ -z "$(left_over)" ]' || left_over | tr '\n' ' ')" \
            '[ -z "$(left_over)" ]'
        check "on standard error: $(cat "$errors")" '[ ! -s "$errors" ]'
        rm -f "$out" "$errors"
    done
done
[ "$failures" -eq 0 ]
