#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Compares examples/63_sha256sum.cpp with coreutils' sha256sum: both outputs and the exit status.
#
# usage: test_sha256sum.sh BUILD-DIRECTORY
. "$(dirname "$0")/tools.sh"
example 63_sha256sum "$1"
export LC_ALL=C

# same ARGUMENT...: standard input is the file `input`.
same() {
    local ours theirs
    "$program" "$@" <input >ours 2>ours.err
    ours=$?
    sha256sum "$@" <input >theirs 2>theirs.err
    theirs=$?
    [ "$ours" -eq "$theirs" ] || { echo "exit status $ours, not $theirs"; return 1; }
    cmp ours theirs && cmp ours.err theirs.err || { cat ours.err; return 1; }
}

head -c 3000000 /dev/urandom >large
head -c 65536 /dev/zero >buffer
printf abc >abc
: >empty
printf x >'a name with spaces'
printf y >'back\slash'
printf z >$'new\nline\r'
printf input >input
mkdir folder

check "files of all sizes" same large buffer abc empty
check "names with special characters" same 'a name with spaces' 'back\slash' $'new\nline\r'
check "standard input" same
check "standard input between files" same abc - empty
check "binary mode" same -b abc -
check "a file many times" same $(yes abc | head -n 500)
check "a missing file and a folder" same abc missing folder empty

{
    sha256sum large 'a name with spaces' 'back\slash' $'new\nline\r' buffer
    sha256sum -b abc
    sha256sum --tag empty abc
    printf '# a comment\n\n'
} >sums
check "all sums are right" same -c sums
check "a list on standard input" same --check - <sums
cp sums damaged
{
    sha256sum abc | tr a-f A-F
    sha256sum abc | tr 0 1
    sha256sum abc | sed 's/ .*/  missing/'
    sha256sum abc | sed 's/ .*/  folder/'
    sha256sum abc | cut -c 2-
    sha256sum abc | sed 's/  /\t/'
    echo rubbish
} >>damaged
check "wrong sums, missing files, rubbish" same -c damaged
check "several lists" same -c sums missing damaged
echo rubbish >no_sums
check "a list without sums" same -c no_sums
check "an empty list" same -c empty

check "an unknown option" says "Try 'sha256sum --help'" "$program" --nonsense abc
check "a wrong number" says "-p takes a number" "$program" -p none abc
check "a full disk" full_disk "$program" abc
check "--help" grep -q Usage <("$program" --help)
check "Ctrl-C" ends_by_ctrl_c "$program" -p 2 abc - large
finish
