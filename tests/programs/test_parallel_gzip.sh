#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Tries examples/60_parallel_gzip.cpp as its users would: what gunzip makes of its output, and what
# is left behind when something goes wrong.
#
# usage: test_parallel_gzip.sh DIRECTORY-OF-THE-PROGRAM
set -u

for candidate in "$1/60_parallel_gzip" "$1/examples/60_parallel_gzip" "$1/bin/60_parallel_gzip"; do
    [ -x "$candidate" ] && program=$(realpath "$candidate") && break
done
[ -n "${program:-}" ] || { echo "no 60_parallel_gzip in $1"; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/parallel_gzip.XXXXXX")
clean_up() {
    local pid
    for pid in $(processes); do kill -KILL "$pid"; done
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work" || exit 1
# A copy under a name of its own, so that the processes of this test can be told from all others.
cp "$program" "$work/gz" || exit 1
gz="$work/gz"
failures=0
checks=0
# A sanitizer's own handler of a SIGSEGV that somebody sends waits for its own locks for ever.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:handle_segv=0" TSAN_OPTIONS="${TSAN_OPTIONS:-}:handle_segv=0"

# check DESCRIPTION COMMAND...: runs the command, which must succeed.
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    if "$@" >"$work/.log" 2>&1; then
        return 0
    fi
    failures=$((failures + 1))
    echo "FAILED: $what"
    sed 's/^/    /' "$work/.log" | head -n 5
}
skip() { echo "skipped: $1"; }

# The ids of all living processes that run our copy of the program.
processes() {
    local link
    for link in $(find /proc/[0-9]*/exe -maxdepth 0 -lname "$gz" 2>/dev/null); do
        link=${link%/exe}
        grep -qs '^State:[[:space:]]*[ZX]' "$link/status" || echo "${link#/proc/}"
    done
}
# wait_until SECONDS COMMAND...: polls until the command succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    while ! "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}
has_workers() { [ "$(processes | wc -l)" -ge 3 ]; }
started() { [ -n "$(processes)" ]; }
none_left() { [ -z "$(processes)" ]; }
nothing_left() { # no process and, besides the files named, no file in folder $1
    local folder=$1 wanted
    shift
    wanted=$(printf '%s\n' "$@" | sort)
    wait_until 10 none_left || { echo "processes left: $(processes | tr '\n' ' ')"; return 1; }
    [ "$(ls -A "$folder" | sort)" = "$wanted" ] || { echo "files left: $(ls -A "$folder")"; return 1; }
}
exits_with() { # exits_with STATUS COMMAND...
    local wanted=$1 status
    shift
    timeout 60 "$@"
    status=$?
    [ "$status" -eq "$wanted" ] || { echo "exit status $status instead of $wanted"; return 1; }
}
says() { # says TEXT COMMAND...: the command fails and its stderr holds the text
    local text=$1 output
    shift
    output=$(timeout 60 "$@" 2>&1 >/dev/null) && { echo "it succeeded"; return 1; }
    case $output in *"$text"*) ;; *) echo "it said: $output"; return 1 ;; esac
}

# round_trip FILE OPTION...: through a file and through a pipe.
round_trip() {
    local file=$1
    shift
    rm -f "$file.gz"
    timeout 120 "$gz" "$@" "$file" || return 1
    gunzip -t "$file.gz" && gunzip -c "$file.gz" | cmp - "$file" || return 1
    cat "$file" | timeout 120 "$gz" "$@" | zcat | cmp - "$file" || return 1
    [ "$(stat -c '%a %Y' "$file")" = "$(stat -c '%a %Y' "$file.gz")" ] || {
        echo "permissions or time differ"
        return 1
    }
    rm -f "$file.gz"
}

block=131072
mkdir data
: >data/empty
printf x >data/one_byte
head -c $((block - 1)) /dev/urandom >data/one_block_less_1
head -c $block /dev/urandom >data/one_block
head -c $((block + 1)) /dev/urandom >data/one_block_more_1
head -c $((3 * block)) /dev/zero >data/three_blocks_of_zeros
head -c 5000000 /dev/urandom >data/incompressible
# 50 MiB of mixed data: program text, compressed data, zeros.
{
    cat /usr/bin/[a-m]* 2>/dev/null | head -c 30000000
    head -c 2428800 /dev/zero
    head -c 10000000 /dev/urandom
    cat /usr/bin/[n-z]* 2>/dev/null
    yes "the rest is filled with text"
} 2>/dev/null | head -c 52428800 >data/mixed
chmod 640 data/mixed
touch -d '2001-02-03 04:05:06' data/mixed

for file in data/*; do
    check "round trip of $file" round_trip "$file"
done
check "round trip at level 1" round_trip data/mixed -1
check "round trip at level 9" round_trip data/incompressible -9
check "round trip with 1 worker" round_trip data/one_block_more_1 -p 1
check "round trip with 5 workers" round_trip data/incompressible -p 5

level_pays() {
    "$gz" -1 -c data/mixed >fast.gz && "$gz" -9 -c data/mixed >best.gz &&
        [ "$(stat -c %s best.gz)" -lt "$(stat -c %s fast.gz)" ]
}
check "-9 compresses better than -1" level_pays

as_small_as_pigz() {
    local ours theirs
    ours=$("$gz" -c data/mixed | wc -c)
    theirs=$(pigz -p 2 -c data/mixed | wc -c)
    [ "$ours" -le $((theirs + theirs / 100)) ] || { echo "$ours bytes, pigz $theirs"; return 1; }
}
if command -v pigz >/dev/null; then
    check "the output is at most 1 % larger than pigz's" as_small_as_pigz
else
    skip "comparison with pigz, which is missing"
fi

several_files() {
    mkdir several && cp data/empty data/one_byte data/incompressible several/ && "$gz" several/* &&
        for name in empty one_byte incompressible; do
            gunzip -c "several/$name.gz" | cmp - "data/$name" || return 1
        done
    "$gz" -c several/one_byte several/incompressible - several/empty <data/one_block >all.gz &&
        gunzip -c all.gz | cmp - <(cat data/one_byte data/incompressible data/one_block)
}
check "several files, to files and to standard output" several_files

header_tells_the_name() {
    mkdir named && "$gz" -c data/mixed >named/other.gz && gunzip -N named/other.gz && [ -s named/mixed ]
}
check "the header holds the name" header_tells_the_name

keeps_existing() {
    echo precious >data/one_byte.gz
    says "already exists" "$gz" data/one_byte && [ "$(cat data/one_byte.gz)" = precious ]
}
check "an existing output file is kept" keeps_existing
replaces() { "$gz" -f data/one_byte && gunzip -c data/one_byte.gz | cmp - data/one_byte; }
check "-f replaces it" replaces
rm -f data/one_byte.gz

mkdir faults
check "a missing file is reported" says "No such file" "$gz" faults/missing
check "a directory is reported" says "is a directory" "$gz" faults
check "a folder that does not exist is reported" says "No such file" "$gz" nowhere/file
check "exit status 1" exits_with 1 "$gz" faults/missing
check "a wrong -p is reported" says "-p takes a number" "$gz" -p 0 data/one_byte
check "an unknown option is reported" says "--help" "$gz" --nonsense
check "--help works" exits_with 0 "$gz" --help
goes_on() {
    says "No such file" "$gz" faults/missing data/one_byte && gunzip -t data/one_byte.gz
}
check "the other files are still compressed" goes_on
rm -f data/one_byte.gz

# As root every file can be read: then as somebody else.
cp data/one_block faults/secret
chmod 000 faults/secret
chmod 755 "$work"
if [ "$(id -u)" -ne 0 ]; then
    check "an unreadable file is reported" says "Permission denied" "$gz" faults/secret
elif command -v setpriv >/dev/null; then
    check "an unreadable file is reported" says "Permission denied" \
        setpriv --reuid=65534 --regid=65534 --clear-groups "$gz" faults/secret
    check "a folder that cannot be written to is reported" says "Permission denied" \
        setpriv --reuid=65534 --regid=65534 --clear-groups "$gz" data/one_byte
fi
check "nothing is left after these" nothing_left faults secret

full_disk() { says "No space left on device" bash -c '"$1" -c data/mixed >/dev/full' - "$gz"; }
check "a full disk is reported, standard output" full_disk
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=2m none small 2>/dev/null; then
    head -c 1500000 /dev/urandom >small/file
    check "a full disk is reported, file" says "No space left on device" "$gz" small/file
    check "nothing is left on the full disk" nothing_left small file
    umount small
else
    skip "a full disk under the output file: cannot mount one"
fi

broken_pipe() { # quiet whether SIGPIPE is ignored or not
    local output
    output=$({ "$gz" -c data/mixed | head -c 100 >/dev/null; } 2>&1)
    [ -z "$output" ] || { echo "it said: $output"; return 1; }
    output=$({ (trap '' PIPE && exec "$gz" -c data/mixed) | head -c 100 >/dev/null; } 2>&1)
    [ -z "$output" ] || { echo "it said: $output"; return 1; }
}
check "a reader that goes away is no reason for a message" broken_pipe
check "nothing is left of it" wait_until 10 none_left

# From here on the input comes from a pipe, so that the test decides how far the program is.
mkdir run
mkfifo run/input

# Kills with signal $1 one worker: the newest process is one. Fails if the program had no worker.
kill_worker() {
    local victim
    has_workers || return 1
    victim=$(processes | sort -n | tail -n 1)
    kill "-$1" "$victim"
}
survives_kills() {
    local pid
    "$gz" -p 2 <run/input >run/output.gz &
    pid=$!
    {
        head -c 10000000 data/mixed
        wait_until 10 kill_worker KILL || echo "no worker to kill" >&2
        tail -c +10000001 data/mixed | head -c 20000000
        wait_until 10 kill_worker SEGV || echo "no worker to kill" >&2
        tail -c +30000001 data/mixed
    } 2>run/errors >run/input
    wait "$pid" || { echo "exit status $?"; rm run/errors; return 1; }
    [ ! -s run/errors ] || { cat run/errors; rm run/errors; return 1; }
    rm run/errors
    gunzip -c run/output.gz | cmp - data/mixed
}
check "the work of killed workers is done again" survives_kills
rm -f run/output.gz
check "nothing is left after kills" nothing_left run input

# dies_of SIGNAL STATUS: the signal in mid-run, to the parent alone.
dies_of() {
    local pid status feeder
    cp data/one_block run/name
    "$gz" -c - run/name <run/input >/dev/null &
    pid=$!
    { cat data/incompressible; exec sleep 60; } >run/input &
    feeder=$!
    if ! wait_until 10 has_workers; then
        echo "no workers"
        kill "$pid" "$feeder"
        return 1
    fi
    sleep 0.3 # it now waits for input
    kill "-$1" "$pid"
    wait "$pid"
    status=$?
    kill "$feeder"
    rm -f run/name
    [ "$status" -eq "$2" ] || { echo "exit status $status instead of $2"; return 1; }
}
check "SIGTERM ends it" dies_of TERM 143
check "nothing is left after SIGTERM" nothing_left run input
check "SIGKILL ends its workers too" dies_of KILL 137
check "nothing is left after SIGKILL" nothing_left run input

# Ctrl-C while a large file is being written, typed on a terminal.
if command -v script >/dev/null; then
    ctrl_c() {
        local status
        mkdir -p tty
        for _ in 1 2 3 4 5 6 7 8 9 10; do cat data/mixed; done >tty/large
        {
            wait_until 10 started
            sleep 0.7
            printf '\003'
            sleep 2
        } | timeout 60 script -qec "exec $gz -9 tty/large" /dev/null >tty.log 2>&1
        status=${PIPESTATUS[1]}
        [ "$status" -eq 130 ] || { echo "exit status $status"; tail -c 300 tty.log; return 1; }
    }
    check "Ctrl-C ends it with status 130" ctrl_c
    ctrl_c_while_reading() {
        local status
        {
            wait_until 10 has_workers
            sleep 0.7
            printf 'text\n'
            sleep 0.2
            printf '\003'
            sleep 2
        } | timeout 60 script -qec "exec $gz >/dev/null" /dev/null >/dev/null 2>&1
        status=${PIPESTATUS[1]}
        [ "$status" -eq 130 ] || { echo "exit status $status"; return 1; }
    }
    check "Ctrl-C ends it while it waits for a terminal" ctrl_c_while_reading
    check "nothing is left after Ctrl-C" nothing_left tty large
    shows_progress() { grep -q 'large.*%.*MB/s' tty.log; }
    check "progress is shown on a terminal" shows_progress
    stays_quiet() { [ -z "$("$gz" -c data/mixed 2>&1 >/dev/null)" ]; }
    check "and only there" stays_quiet
    refuses_terminal() {
        script -qec "$gz <data/one_byte; echo status \$?" /dev/null 2>&1 </dev/null | grep -q "status 1"
    }
    check "compressed data is not written to a terminal" refuses_terminal
else
    skip "Ctrl-C: the program 'script' is missing"
fi

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
