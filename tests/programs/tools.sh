# SPDX-License-Identifier: BSL-1.0
# What the scripts that try the examples share: `. tools.sh`, after which they stand in an empty
# folder of their own. `$program` is the example; the script ends with `finish`.
set -u

# example NAME BUILD-DIRECTORY: finds the program, makes the folder.
example() {
    program=$(realpath "$2/examples/$1") && [ -x "$program" ] || { echo "no $1 in $2"; exit 1; }
    work=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX") || exit 1
    trap 'rm -rf "$work"' EXIT
    cd "$work" || exit 1
    checks=0
    failures=0
}

# check DESCRIPTION COMMAND...: runs the command, which must succeed.
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" >"$work/.log" 2>&1 && return 0
    failures=$((failures + 1))
    echo "FAILED: $what"
    sed 's/^/    /' "$work/.log" | head -n 10
}

# says TEXT COMMAND...: the command fails with exit status 1, and its standard error holds the text.
says() {
    local text=$1 output status
    shift
    output=$(timeout 60 "$@" 2>&1 >/dev/null </dev/null)
    status=$?
    [ "$status" -eq 1 ] || { echo "exit status $status: $output"; return 1; }
    case $output in *"$text"*) ;; *) echo "it said: $output"; return 1 ;; esac
}

# full_disk COMMAND...: the same with a standard output that takes nothing.
full_disk() { says "No space left on device" bash -c '"$@" >/dev/full' - "$@"; }

# ends_by_ctrl_c COMMAND...: SIGINT when the command, whose standard input stays silent, has workers;
# then it ends by the signal, and no process of it is left.
ends_by_ctrl_c() {
    local pid status server='' workers=''
    [ -p silent ] || mkfifo silent || return 1
    env --default-signal=INT "$@" <>silent >/dev/null 2>&1 & # in the background bash ignores it
    pid=$!
    within 20 has_workers || echo "no workers"
    kill -INT "$pid"
    within 20 ended "$pid" || { echo "it goes on"; kill -KILL "$pid"; }
    wait "$pid"
    status=$?
    [ "$status" -eq 130 ] || { echo "exit status $status"; return 1; }
    within 20 ended $server $workers || { echo "left: $server $workers"; return 1; }
}
children() { cat /proc/"$1"/task/*/children 2>/dev/null; }
has_workers() {
    server=$(children "$pid")
    workers=$([ -z "$server" ] || children $server)
    [ -n "$workers" ]
}
ended() {
    local id
    for id in "$@"; do ! grep -qs '^State:.[^ZX]' "/proc/$id/status" || return 1; done
}
# within SECONDS COMMAND...: tries until the command succeeds.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ]
    exit
}
