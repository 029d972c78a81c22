#!/usr/bin/env bash
# Runs every fuzz target that is built, each for FUZZ_SECONDS (default 60), on a copy of its saved corpus.
# One line a target, then N passed, N failed; a crash, a leak or a hang leaves its input in build/fuzz/findings and makes this fail.
# usage: tests/fuzz/fuzz.sh [TARGET...]      (`make fuzz-build FLAVOUR=fuzz` builds them)
set -euo pipefail

seconds=${FUZZ_SECONDS:-60}
root=$(cd "$(dirname "$0")/../.." && pwd)
built=$root/build/fuzz/tests/fuzz
findings=$root/build/fuzz/findings
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$findings"

if [ $# -gt 0 ]; then
    targets=("$@")
else
    mapfile -t targets < <(find "$built" -maxdepth 1 -name '*_fuzz' -type f -perm -u+x -printf '%f\n' 2>/dev/null | sed 's/_fuzz$//' | sort)
fi
if [ ${#targets[@]} -eq 0 ]; then
    echo "no fuzz target is built: make fuzz-build FLAVOUR=fuzz" >&2
    exit 2
fi

run() { # name
    local name=$1 new=$work/$1 seeds=$root/tests/fuzz/corpus/$1 options=()
    mkdir -p "$new"
    [ -d "$seeds" ] && cp -r "$seeds" "$work/$name.seeds" && options+=("$work/$name.seeds")
    [ -f "$root/tests/fuzz/$name.dict" ] && options+=("-dict=$root/tests/fuzz/$name.dict")
    "$built/${name}_fuzz" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=25 -print_final_stats=1 \
        -artifact_prefix="$findings/$name-" "$new" "${options[@]}" >"$work/$name.log" 2>&1
}

passed=0 failed=0
for name in "${targets[@]}"; do
    if run "$name"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log")
        cover=$(grep -o 'cov: [0-9]*' "$work/$name.log" | tail -n 1)
        passed=$((passed + 1))
        echo "$name: ok, ${runs:-?} inputs in $seconds s, ${cover:-cov: ?}"
    else
        failed=$((failed + 1))
        reason=$(grep -m 1 -E 'ERROR:|SUMMARY:|Assertion|BINGO|No such file' "$work/$name.log" || tail -n 1 "$work/$name.log")
        echo "$name: FAILED: $reason (inputs in build/fuzz/findings)"
        tail -n 40 "$work/$name.log" | sed 's/^/    /' >&2
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
