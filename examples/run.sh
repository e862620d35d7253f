#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Installs what is missing, builds the examples, and has the largest of them, a parallel gzip that
# runs on worker processes, compress 200 MiB of this machine's own files.
#
# usage: bash examples/run.sh [WORKERS]      one worker for each CPU by default
set -eu
cd "$(dirname "$(realpath "$0")")/.."
workers=${1:-$(nproc)}

bash cmake/install_packages.sh g++ cmake ninja-build libboost1.81-dev \
    libboost-serialization1.81-dev libssl-dev zlib1g-dev libpng-dev pigz
folder=build/bench
mkdir -p "$folder"
echo "Building the examples ..."
if ! { cmake --preset bench && cmake --build --preset bench --target examples; } \
    >"$folder/examples.log" 2>&1; then
    cat "$folder/examples.log"
    exit 1
fi
gz=$folder/examples/60_parallel_gzip

input=$folder/input.tar
size=$((200 * 1024 * 1024))
if [ "$(stat -c %s "$input" 2>/dev/null)" != "$size" ]; then
    echo "Collecting 200 MiB of files from /usr ..."
    { tar -cf - -C / usr/include usr/share usr/bin usr/lib 2>/dev/null || true; } |
        head -c "$size" >"$input"
    size=$(stat -c %s "$input")
fi
cat "$input" >/dev/null # from the disk into memory, so that all read it equally fast

printf '\n%s of files from /usr, %s worker processes on %s CPUs, level 6\n\n' \
    "$((size / 1024 / 1024)) MiB" "$workers" "$(nproc)"
printf '%-16s %9s %10s %12s %8s\n' '' time speed output ratio

# race NAME COMMAND...: compresses the input with the command, checks the result, prints a line.
race() {
    local name=$1 output=$folder/output.gz start end
    shift
    start=$EPOCHREALTIME
    "$@" <"$input" >"$output"
    end=$EPOCHREALTIME
    gunzip -c "$output" | cmp - "$input" || { echo "$name: gunzip gives something else back"; exit 1; }
    LC_ALL=C awk -v name="$name" -v start="$start" -v end="$end" -v size="$size" \
        -v out="$(stat -c %s "$output")" 'BEGIN {
            time = end - start
            printf "%-16s %7.2f s %5.0f MB/s %8.1f MiB %7.1f%%\n",
                   name, time, size / time / 1e6, out / 1048576, 100 * out / size
        }'
    rm -f "$output"
}
race parallel_gzip "$gz" -p "$workers" -6 -c
for contender in "pigz -p $workers" gzip; do
    if command -v "${contender%% *}" >/dev/null; then
        # shellcheck disable=SC2086
        race "$contender" $contender -6 -c
    fi
done

printf '\ngunzip gave back the same bytes each time. Try it on files of yours:\n  %s --help\n' "$gz"
echo "The smaller examples lie beside it: $(cd "$folder/examples" && ls -d [0-4][0-9]_* | tr '\n' ' ')"
