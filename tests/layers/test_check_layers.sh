#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Shows that check_layers.sh can fail: it plants one fault after the other in a small tree of
# headers and wants each reported. usage: test_check_layers.sh
set -u
check=$(dirname "$(realpath "$0")")/check_layers.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

# header PATH LINE...: a header that is right but for its lines.
header() {
    mkdir -p "$tree/$(dirname "$1")"
    local path=$1
    shift
    printf '%s\n' '// SPDX-License-Identifier: BSL-1.0' '// A header.' '#pragma once' "$@" >"$tree/$path"
}
plain_tree() {
    rm -rf "${tree:?}/multiprocessing" "$tree/multiprocessing.hpp"
    header multiprocessing/core/low.hpp '#include <vector>' '#include <sys/types.h>'
    header multiprocessing/os/system.hpp '#include <unistd.h>' '#include <sys/mman.h>'
    header multiprocessing/serialization/archive.hpp '#include <boost/archive/basic_archive.hpp>'
    header multiprocessing/pool/pool.hpp '#include <multiprocessing/os/system.hpp>' \
        '#include <multiprocessing/core/low.hpp>'
    header multiprocessing/pool.hpp '#include <multiprocessing/core/low.hpp>' \
        '#include <multiprocessing/pool/pool.hpp>'
    header multiprocessing.hpp '#include <multiprocessing/pool.hpp>'
}
# finds TEXT: the check fails and says so.
finds() {
    local output
    if output=$("$BASH" "$check" "$tree"); then
        echo "FAILED: not noticed: $1"
        failures=$((failures + 1))
    elif ! printf '%s' "$output" | grep -qF -- "$1"; then
        printf 'FAILED: wanted "%s", it said:\n%s\n' "$1" "$output"
        failures=$((failures + 1))
    fi
    plain_tree
}

plain_tree
"$BASH" "$check" "$tree" || { echo "FAILED: a tree without fault"; failures=1; }

header multiprocessing/core/low.hpp '#include <multiprocessing/os/system.hpp>'
finds 'core/low.hpp:4: an include that goes up: multiprocessing/os/system.hpp'
header multiprocessing/pool/pool.hpp '#  include <unistd.h>'
finds 'a system header outside of os/: unistd.h'
header multiprocessing/pool/pool.hpp '#include <mpi.h>'
finds 'a system header outside of os/: mpi.h'
header multiprocessing/core/low.hpp '#include <sys/mman.h> // why'
finds 'a system header outside of os/: sys/mman.h'
header multiprocessing/pool/pool.hpp '#include <boost/archive/basic_archive.hpp>'
finds 'boost/archive outside of serialization/'
header multiprocessing/pool/other.hpp '#include <multiprocessing/pool.hpp>'
finds 'an umbrella header from inside: multiprocessing/pool.hpp'
header multiprocessing/pool/other.hpp '#include <multiprocessing.hpp>'
finds 'an umbrella header from inside: multiprocessing.hpp'
header multiprocessing/process.hpp '#include <multiprocessing/pool/pool.hpp>'
finds 'an umbrella of floor process includes multiprocessing/pool/pool.hpp'
header multiprocessing/pool/other.hpp '#include "pool.hpp"'
finds 'spelled in full'
header multiprocessing/pool/other.hpp '#include <multiprocessing/core/detail/inner.hpp>'
header multiprocessing/core/detail/inner.hpp
finds 'the detail of another floor'
header multiprocessing/attic/other.hpp
finds 'the folder attic is no floor'
header multiprocessing/pool/other.hpp '#include <multiprocessing/core/gone.hpp>'
finds 'there is no header multiprocessing/core/gone.hpp'
header multiprocessing/pool/a.hpp '#include <multiprocessing/pool/b.hpp>'
header multiprocessing/pool/b.hpp '#include <multiprocessing/pool/a.hpp>'
finds 'headers include each other'
printf '// SPDX-License-Identifier: BSL-1.0\n// A header.\nint i;\n' >"$tree/multiprocessing/core/low.hpp"
finds 'no #pragma once'
printf '// A header.\n#pragma once\n' >"$tree/multiprocessing/core/low.hpp"
finds 'the first line is not the SPDX line'
printf '// SPDX-License-Identifier: BSL-1.0\n#pragma once\n' >"$tree/multiprocessing/core/low.hpp"
finds 'does not say what the file is for'

[ "$failures" -eq 0 ] && echo "every planted fault was found"
exit "$failures"
