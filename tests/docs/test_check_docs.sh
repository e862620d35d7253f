#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Shows that check_docs.py can fail: it spoils one thing of each kind in a copy of what is checked,
# and wants each reported. usage: test_check_docs.sh ROOT PYTHON
set -u
root=$1 python=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
wanted=()

# spoil TEXT FILE SED-SCRIPT: changes the file; the check is to say the text.
spoil() {
    wanted+=("$1")
    sed -i "$3" "$tree/$2"
}

mkdir "$tree/tests"
cp -r "$root"/{README.md,CHANGELOG.md,LICENSE,docs,examples,include,benchmarks} "$tree"
cp -r "$root"/tests/{docs,compile_fail} "$tree/tests"

spoil 'README.md has more than 300 lines' README.md '$a \n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n'
spoil 'leads nowhere' README.md '$a [nothing](docs/nothing.md)'
spoil 'no heading for the link' docs/faults.md '$a [nothing](performance.md#nothing)'
spoil 'this cpp is in no program' README.md 's/mp::Pool pool(2);/mp::Pool pool(3);/'
spoil 'this python is in no program' README.md 's/with mp.Pool(2)/with mp.Pool(3)/'
spoil 'no compiler says this' docs/from-python.md 's/Raw pointers, references/Pointers/'
spoil 'from-python.md has no section 13' docs/from-python.md 's/^### 13 /### 33 /'
spoil 'does not link to ../examples/05_' docs/from-python.md 's/(..\/examples\/05_/(..\/examples\/06_/'
spoil 'does not mention active_children' docs/from-python.md 's/`active_children`//g'
spoil '06_map_chunks.cpp has' examples/06_map_chunks.cpp 's/$/\n/'
wanted+=('04_join has no examples/python/04_join.py')
rm "$tree/examples/python/04_join.py"

if said=$("$python" "$tree/tests/docs/check_docs.py" "$tree"); then
    echo "FAILED: nothing was noticed"
    exit 1
fi
failures=0
for text in "${wanted[@]}"; do
    if ! grep -qF -- "$text" <<<"$said"; then
        printf 'FAILED: not noticed: %s\n' "$text"
        failures=$((failures + 1))
    fi
done
[ "$failures" -eq 0 ] || printf '%s\n' "$said"
exit "$failures"
