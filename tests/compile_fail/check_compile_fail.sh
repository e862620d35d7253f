#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# A mistake must give one clear error: compiles SOURCE, whose first line is `// expect: TEXT`, and
# passes when the compiler refuses it with exactly one error, which says TEXT.
#
# usage: check_compile_fail.sh SOURCE COMPILER FLAG...
set -u
source=$1
shift
text=$(sed -n '1s|^// expect: ||p' "$source")
[ -n "$text" ] || { echo "$source: the first line is not // expect: TEXT"; exit 1; }

if output=$("$@" -fsyntax-only "$source" 2>&1); then
    echo "FAILED: it compiles"
    exit 1
fi
errors=$(printf '%s\n' "$output" | grep -c 'error:')
if [ "$errors" -ne 1 ]; then
    printf '%s\nFAILED: %s errors instead of one\n' "$output" "$errors"
    exit 1
fi
if ! printf '%s' "$output" | grep 'error:' | grep -qF -- "$text"; then
    printf '%s\nFAILED: the error does not say: %s\n' "$output" "$text"
    exit 1
fi
