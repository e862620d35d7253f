#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Shows that check_docs.py can fail: it spoils one thing after the other in a copy of what is
# checked and wants each reported. usage: test_check_docs.sh ROOT PYTHON
set -u
root=$1 python=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

# finds TEXT FILE SED-SCRIPT: with the file spoilt so, the check fails and says so.
finds() {
    local output file=$tree/$2
    rm -f "$tree/copy" && cp "$file" "$tree/copy"
    sed -i "$3" "$file"
    if output=$("$python" "$tree/tests/docs/check_docs.py" "$tree"); then
        echo "FAILED: not noticed: $1"
        failures=$((failures + 1))
    elif ! printf '%s' "$output" | grep -qF -- "$1"; then
        printf 'FAILED: wanted "%s", it said:\n%s\n' "$1" "$output"
        failures=$((failures + 1))
    fi
    mv "$tree/copy" "$file"
}

mkdir "$tree/tests"
cp -r "$root"/{README.md,CHANGELOG.md,LICENSE,docs,examples,include,benchmarks} "$tree"
cp -r "$root"/tests/{docs,compile_fail} "$tree/tests"
"$python" "$tree/tests/docs/check_docs.py" "$tree" || exit 1

finds 'README.md has more than 300 lines' README.md '$a \n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n'
finds 'leads nowhere' README.md '$a [nothing](docs/nothing.md)'
finds 'no heading for the link' docs/faults.md '$a [nothing](performance.md#nothing)'
finds 'this cpp is in no program' README.md 's/mp::Pool pool(2);/mp::Pool pool(3);/'
finds 'this python is in no program' README.md 's/with mp.Pool(2)/with mp.Pool(3)/'
finds 'no compiler says this' docs/from-python.md 's/Raw pointers, references/Pointers/'
finds 'from-python.md has no section 13' docs/from-python.md 's/^### 13 /### 33 /'
finds 'from-python.md does not link to ../examples/04_join.cpp' docs/from-python.md 's/04_join/05_join/'
finds 'does not mention active_children' docs/from-python.md 's/`active_children`//g'
finds '04_join.cpp has' examples/04_join.cpp 's/^int main/\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n&/'
rm "$tree/examples/python/04_join.py"
finds '04_join has no examples/python/04_join.py' README.md ''
[ "$failures" -eq 0 ] && echo "test_check_docs: passed"
exit "$failures"
