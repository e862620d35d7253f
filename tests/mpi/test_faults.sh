#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# How an MPI program ends when something is wrong in it: always, with the right exit code, and with
# one line that says why.
#
# usage: test_faults.sh MPIRUN TEST_MPI
set -u
# Ranks that wait give way, and share all CPUs: many programs run at once.
mpirun=("$1" --allow-run-as-root --oversubscribe --bind-to none --mca mpi_yield_when_idle 1)
program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check WHAT zero|nonzero TEXT COMMAND...: the command ends in 80 s, with such an exit code, and says
# TEXT, a regular expression.
check() {
    local what=$1 wanted=$2 text=$3 output="$work/$BASHPID" status got=zero
    shift 3
    timeout -k 5 80 "$@" >"$output" 2>&1 </dev/null
    status=$?
    [ "$status" -eq 0 ] || got=nonzero
    [ "$status" -ne 124 ] || got="too late"
    if [ "$got" != "$wanted" ] || { [ -n "$text" ] && ! grep -qE "$text" "$output"; }; then
        echo "FAILED: $what: exit code $status, wanted $wanted and: $text"
        sed 's/^/    /' "$output"
        return 1
    fi
}
# They wait most of the time, so they do it together.
checks=()
expect() {
    check "$@" &
    checks+=($!)
}

expect "close and join" zero "" "${mpirun[@]}" -n 2 "$program" close
expect "the status of main" nonzero "" "${mpirun[@]}" -n 2 "$program" status
expect "an initializer that throws in one rank" zero "" "${mpirun[@]}" -n 3 "$program" initializer
expect "an initializer has no business in rank 0" zero "" \
    "${mpirun[@]}" -n 2 "$program" initializer_hybrid
expect "forked copies end alone" zero "" "${mpirun[@]}" -n 2 "$program" fork
expect "a forked copy comes out of f" zero "" "${mpirun[@]}" -n 2 "$program" fork_returns
expect "the pool ends while a callback waits for calls" zero "" \
    "${mpirun[@]}" -n 2 "$program" terminate_in_callback
expect "a call is asked when MPI has ended" zero "" "${mpirun[@]}" -n 2 "$program" outlives
expect "a rank is gone before its item is late" zero "" "${mpirun[@]}" -n 3 "$program" late_and_gone
expect "MPI was initialized before" nonzero "mpi::run: MPI is initialized already" \
    "${mpirun[@]}" -n 2 "$program" initialized
expect "a task calls exit" nonzero "MpiRank-1 called exit\(\)" "${mpirun[@]}" -n 2 "$program" exit
expect "a task ends its process" nonzero "" "${mpirun[@]}" -n 2 "$program" quick_exit
expect "a task aborts" nonzero "signal 6|Aborted" "${mpirun[@]}" -n 2 "$program" abort
expect "rank 0 throws" nonzero "rank 0 has enough" "${mpirun[@]}" -n 2 "$program" throw
expect "rank 0 throws while others are busy" nonzero "rank 0 has enough" \
    "${mpirun[@]}" -n 3 "$program" throw_busy

# Another build: the same program without its build id, so that it is told by size and time.
if objcopy --remove-section=.note.gnu.build-id "$program" "$work/another_build" 2>/dev/null; then
    expect "mismatched programs" nonzero "another build of the program .* rank 1 on " \
        "${mpirun[@]}" -n 1 "$program" close : -n 1 "$work/another_build" close
fi
failed=0
for one in "${checks[@]}"; do
    wait "$one" || failed=1
done
exit $failed
