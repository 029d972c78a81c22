#!/usr/bin/env bash
# The store's tests, but for those of SQLite alone, on the backend that TP_STORE_URL names (store_fixture.h).
# usage: suite.sh BUILD-DIRECTORY [NAME…]   e.g. tests/store/cluster.py tests/store/suite.sh build/asan put claim
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
out=$1
shift
if [ $# -eq 0 ]; then
    for file in tests/store/*_test.c; do
        name=$(basename "$file" _test.c)
        [[ $name == sqlite* ]] || set -- "$@" "$name"
    done
fi
failed=0
for name in "$@"; do
    "$out/tests/store/${name}_test" || failed=1
done
exit "$failed"
