#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Compares examples/61_word_count.cpp with the pipeline of standard tools in its first lines.
#
# usage: test_word_count.sh BUILD-DIRECTORY
. "$(dirname "$0")/tools.sh"
example 61_word_count "$1"
export LC_ALL=C

mkdir -p texts/deep/er
printf 'one Two two, three;three\nthree' >texts/first
printf 'The end has no new line: The\303\244ter the\303\244ter' >texts/deep/utf8
: >texts/empty
printf '12 34\n' >texts/deep/er/no_words
printf 'apple\n' >'texts/deep/a name with spaces'
# Longer than a piece, and no word ends where one begins: with a word across each border.
awk 'BEGIN { srand(7); for (i = 0; i < 260000; i++) printf "%s%s", "word" int(rand() * 300), i % 9 ? " " : "\n"
             for (i = 0; i < 400; i++) printf "abcdefghij"; printf " "
             for (i = 0; i < 620000; i++) printf "longword" }' >texts/deep/large
ln -s deep texts/link

# The words of files one by one: none goes on in the next file.
expected() {
    find "$@" -type f | while read -r file; do
        tr -cs 'A-Za-z\200-\377' '\n' <"$file"
        echo
    done | tr A-Z a-z | grep . | sort | uniq -c | sort -k1,1nr -k2
}
same() { # same LINES PATH...
    local lines=$1
    shift
    expected "$@" | head -n "$lines" | cmp - <("$program" -p 3 -n "$lines" "$@")
}
check "a folder" same 10 texts
check "all its words" same 100000 texts
check "one file" same 5 texts/deep/large
check "several paths, one of them twice" same 10 texts/first texts/deep texts/first
ten_lines() { [ "$("$program" texts | wc -l)" -eq 10 ]; }
check "ten lines by default" ten_lines
check "no words, no lines" cmp /dev/null <("$program" texts/empty texts/deep/er)

check "a missing path is reported" says "missing: No such file or directory" "$program" missing
goes_on() {
    "$program" texts/first missing texts/deep/utf8 2>/dev/null |
        cmp - <(expected texts/first texts/deep/utf8 | head)
}
check "the others are counted" goes_on
python3 - <<'EOF'
import os
os.makedirs("deep")
os.chdir("deep")
for i in range(20):
    open("f%d" % i, "w").write("common\n")
for i in range(25):
    os.mkdir("n" * 200)
    os.chdir("n" * 200)
EOF
check "a path too long is reported" says "File name too long" "$program" deep
check "the files beside it are counted" grep -q " 20 common" <("$program" deep 2>/dev/null)
check "an unknown option" says "Try word_count --help" "$program" --nonsense texts
check "a wrong number" says "-n takes a number" "$program" -n 0 texts
check "no path at all" says "no file or folder" "$program"
check "a full disk" full_disk "$program" texts
check "--help" grep -q Usage <("$program" --help)
truncate -s 100G holes # work for hours
check "Ctrl-C" ends_by_ctrl_c "$program" -p 2 holes
finish
