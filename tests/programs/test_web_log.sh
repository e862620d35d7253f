#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Tries examples/64_web_log.cpp on a log with damaged lines, on some of which its parser crashes, and
# compares its report with one by awk.
#
# usage: test_web_log.sh BUILD-DIRECTORY
. "$(dirname "$0")/tools.sh"
example 64_web_log "$1"
export LC_ALL=C
ulimit -c 0 # no core dumps

# log LINES: every 500th line has lost its end, every 700th is empty, every 900th has no status.
log() {
    awk -v lines="$1" 'BEGIN { srand(3); for (i = 1; i <= lines; i++) {
        path = "/page/" int(rand() * rand() * 40)
        if (i % 500 == 0) print "10.0.0.1 - - [26/Nov/2026:12:00:00 +0000] \"GET " path
        else if (i % 700 == 0) print ""
        else printf "10.0.0.%d - - [26/Nov/2026:12:00:%02d +0000] \"GET %s HTTP/1.1\" %s %d \"-\" \"curl\"\n",
                    i % 250, i % 60, path,
                    i % 900 == 0 ? "-" : rand() < 0.1 ? 404 : 200, int(rand() * 5000) } }'
}
# expected LINES <LOG: what the program is to print.
expected() {
    awk '
        function line(number, what) { printf "%12d %s\n", number, what }
        split($0, part, "\"") < 3 { crashed++; next }
        { split(part[2], request, " "); split(part[3], answer, " ") }
        answer[1] !~ /^[1-5][0-9][0-9]$/ { damaged++; next }
        { requests++; status[answer[1]]++; bytes += answer[2]; path[request[2]]++ }
        END {
            line(requests, "requests"); line(damaged, "lines were damaged")
            line(crashed, "lines crashed the parser"); line(bytes, "bytes were sent")
            for (s = 100; s < 600; s++) if (s in status) line(status[s], "answers with status " s)
            fflush()
            for (p in path) printf "%12d %s\n", path[p], p | "sort -k1,1nr -k2 | head -n '"$1"'"
        }'
}
same() { # same LINES FILE...
    local lines=$1
    shift
    cat "$@" | expected "$lines" | cmp - <("$program" -p 3 -n "$lines" "$@" 2>errors)
}

log 20000 >access.log
check "a log with damage" same 10 access.log
crashes_are_named() {
    [ "$(grep -c '^web_log: ' errors)" -eq "$(awk -F'"' 'NF < 3' access.log | wc -l)" ] &&
        grep -q '^web_log: access.log:500: ' errors
}
check "lines on which the parser crashed are named" crashes_are_named
log 3000 | grep -a 'HTTP' >good.log
check "a log without crashes" same 5 good.log
check "no message then" cmp /dev/null errors
check "several files" same 10 access.log good.log
check "standard input" cmp <(expected 10 <good.log) <("$program" <good.log)
only_crashes() {
    yes 'a line without anything' | head -n 20 |
        "$program" -p 2 2>/dev/null | grep -qx ' *20 lines crashed the parser'
}
check "a log of nothing but crashes" only_crashes
check "an empty log" grep -qx ' *0 requests' <("$program" /dev/null)

check "a missing file" says "missing: No such file or directory" "$program" missing
check "a folder" says ".: is a directory" "$program" .
goes_on() { "$program" missing good.log 2>/dev/null | cmp - <(expected 10 <good.log); }
check "the other files are read" goes_on
check "an unknown option" says "Try web_log --help" "$program" --nonsense
check "a wrong number" says "-p takes a number" "$program" -p 0 good.log
check "a full disk" full_disk "$program" good.log
check "--help" grep -q Usage <("$program" --help)
check "Ctrl-C" ends_by_ctrl_c "$program" -p 2
finish
