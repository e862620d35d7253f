#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Checks the house rules of the headers: includes go down the floors or stay on one, without
# cycles; system headers only in os/ (and mpi.h in mpi/); boost/archive only in serialization/; no
# umbrella header from inside; every header begins with its licence and its purpose.
#
# usage: check_layers.sh INCLUDE-FOLDER; prints one line for each fault, and fails if there are any
set -u
cd "$1" || exit 2
headers=$(find . -name '*.hpp' | sed 's|^\./||' | LC_ALL=C sort)
[ -n "$headers" ] || { echo "no headers in $1"; exit 2; }

# What is no system header although it ends in .h: types alone, and the C++ ABI.
faults=$(awk '
    BEGIN {
        names = "core os serialization memory transport synchronize shared process connection " \
                "queues pool managers mpi"
        count = split(names, name, " ")
        for (i = 1; i <= count; ++i)
            floor[name[i]] = i - 1
        harmless["sys/types.h"] = harmless["cxxabi.h"] = 1
    }
    function fault(text) { print FILENAME ":" FNR ": " text }
    function folder_of(path, part) {
        return split(path, part, "/") >= 3 ? part[2] : ""
    }
    FNR == 1 {
        folder = folder_of(FILENAME)
        if (folder != "" && !(folder in floor))
            fault("the folder " folder " is no floor")
        if ($0 !~ /^\/\/ SPDX-License-Identifier: BSL-1\.0$/)
            fault("the first line is not the SPDX line")
    }
    FNR == 2 && !/^\/\/ [A-Za-z]/ { fault("the second line does not say what the file is for") }
    !/^[ \t]*#[ \t]*include/ { next }
    /include[ \t]*"/ { fault("an include is spelled in full, with < and >"); next }
    !/include[ \t]*</ { next }
    {
        header = $0
        sub(/^[^<]*</, "", header)
        sub(/>.*/, "", header)
    }
    header ~ /^multiprocessing(\/|\.hpp$)/ {
        target = folder_of(header)
        if (folder == "") {
            # an umbrella: of other umbrellas when it is the outermost, of its own floor otherwise
            own = FILENAME
            sub(/^multiprocessing\//, "", own)
            sub(/\.hpp$/, "", own)
            if (FILENAME != "multiprocessing.hpp" && own in floor && target != own && target != "core")
                fault("an umbrella of floor " own " includes " header)
        } else if (target == "")
            fault("an umbrella header from inside: " header)
        else if (!(target in floor))
            fault("no such floor: " header)
        else if (floor[target] > floor[folder])
            fault("an include that goes up: " header)
        else if (header ~ /\/detail\// && target != folder)
            fault("the detail of another floor: " header)
        next
    }
    header ~ /^boost\/archive\// && folder != "serialization" {
        fault("boost/archive outside of serialization/: " header)
    }
    (header ~ /\.h$/ && header !~ /^boost\//) && folder != "os" && !(header in harmless) &&
        !(header == "mpi.h" && folder == "mpi") {
        fault("a system header outside of os/: " header)
    }
' $headers)

# Every include of ours names a header that is there; as a graph they have no cycle.
missing=$(grep -Hos '^[ 	]*#[ 	]*include[ 	]*<multiprocessing[/.][^>]*>' $headers |
    sed 's/:.*</ /; s/>$//' | while read -r from to; do
        [ -f "$to" ] || echo "$from: there is no header $to"
    done)
cycles=$(grep -Hos '^[ 	]*#[ 	]*include[ 	]*<multiprocessing[/.][^>]*>' $headers |
    sed 's/:.*</ /; s/>$//' | tsort 2>&1 >/dev/null | sed 's/^tsort: //; s/^-: //' |
    sed 's/input contains a loop/headers include each other/')
guards=$(grep -L '^#pragma once$' $headers | sed 's/$/: no #pragma once/')

all=$(printf '%s\n' "$faults" "$missing" "$cycles" "$guards" | grep .)
if [ -n "$all" ]; then
    printf '%s\n' "$all"
    exit 1
fi
echo "$(printf '%s\n' "$headers" | wc -l) headers keep to their floors"
