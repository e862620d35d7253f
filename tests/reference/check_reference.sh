#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Doxygen has no warning; every type of fwd.hpp has a page; functions and inherited members are there.
#
# usage: check_reference.sh DOXYGEN BUILD-DIRECTORY SOURCE-DIRECTORY
set -u
rm -rf "$2/docs"
"$1" "$2/Doxyfile" || { echo "FAILED: doxygen has warnings"; exit 1; }

pages=$2/docs/html
failures=0
for name in $(sed -nE 's/^(class|struct) (\w+).*;$/\2/p' "$3/include/multiprocessing/fwd.hpp"); do
    grep -lqE "<title>.*\b$name\b.* (Class|Struct)( Template)? Reference" "$pages"/*.html ||
        { echo "FAILED: no page about $name"; failures=1; }
done
for name in dumps loads partial Pipe cpu_count freeze_support get_context get_logger; do
    grep -q "\b$name\b" "$pages/namespacemultiprocessing.html" ||
        { echo "FAILED: nothing about $name"; failures=1; }
done
for call in map imap close; do
    grep -q "#[a-z0-9]*.*>$call<" "$pages/classmultiprocessing_1_1Pool_3_01void_01_4.html" ||
        { echo "FAILED: nothing about Pool.$call"; failures=1; }
done
exit $failures
