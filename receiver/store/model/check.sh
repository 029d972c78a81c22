#!/usr/bin/env bash
# Searches the model of claim, write and settle with spin: with all rules nothing may go wrong, and without any one of
# them something must. One line for each case; the last line: N passed, N failed.
# usage: check.sh           all cases
#        check.sh FLAG...   the shortest counterexample with these flags, as a story: check.sh -DNO_RULE_13
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# name | what must be found (nothing: no error) | how to search | flags of the model; how:
#   all     depth first, optimised, no bound on faults: needs the room
#   cycles  looks for runs without end
#   short   breadth first: the shortest counterexample
two="-DBOUNDED -DCHANGES=2 -DFAULTS=2"
lost=every_change_is_reflected
cases=(
    "all rules, faults without bound||all|-DSTRAYS=2"
    "all rules, two notifications at a time||all|-DNOTES=2 $two"
    "all rules, hints for two members||all|-DOTHERS -DBOUNDED -DCHANGES=3 -DFAULTS=2"
    "all rules, every run comes to an end||cycles|$two"
)
without() { # SWITCH PROPERTY [FLAG...]
    local flags="-D$1 $two ${*:3}"
    [ "$2" = "$lost" ] && flags+=" -DOUTCOME"
    cases+=("$1|$2|short|$flags")
}

without NO_RULE_1 S1_acknowledged_is_stored
without NO_RULE_1 $lost
without NO_RULE_2 $lost
without NO_RULE_2_READY $lost
without NO_RULE_2_LEASED $lost
without NO_RULE_2_DONE $lost
without NO_RULE_6 $lost
without NO_RULE_6_LEASE S3_one_live_lease
without NO_RULE_6_LEASE $lost
without NO_RULE_6_WATERMARK $lost
without NO_RULE_6_FIRST $lost
without NO_RULE_6_DUE $lost
without NO_RULE_6_CLAIMED $lost -DOTHERS
without NO_RULE_6_FENCE S4_current_fence
without NO_RULE_6_FENCE $lost
without NO_RULE_12 S5_late_write_is_watched
without NO_RULE_12 $lost
without NO_RULE_12_MARK $lost
without NO_RULE_12_FENCE S4_current_fence
without NO_RULE_12_FENCE $lost
without NO_RULE_12_DURABLE $lost
without NO_RULE_12_ANSWER $lost
cases+=("NO_RULE_12_CLEAR|non-progress cycle|cycles|-DNO_RULE_12_CLEAR $two")
without NO_RULE_12_SETTLE $lost
without NO_RULE_12_AGAIN $lost
without NO_RULE_12_SUCCESSOR $lost
without NO_RULE_12_LATE $lost
without NO_RULE_12_ABSORB $lost
without NO_RULE_12_MERGE $lost
without NO_RULE_13 $lost
without NO_RULE_20 S3_one_live_lease
without NO_RULE_20 $lost
without NO_EXPIRY every_run_ends_quiet

# Builds and runs in the current directory; what pan says goes to standard output.
search() { # HOW FLAG...
    local how=$1 compile run
    shift
    case $how in
    all) compile=(-O2 -DSAFETY -DMEMLIM=900) run=(-m200000 -w24) ;;
    cycles) compile=(-O1 -DNP -DMEMLIM=400) run=(-l -m20000 -w22) ;;
    short) compile=(-O0 -DSAFETY -DBFS -DMEMLIM=400) run=(-w22) ;;
    esac
    cp "$here"/*.pml . && spin "$@" -a model.pml && "${CC:-gcc}" -w "${compile[@]}" -o pan pan.c && ./pan "${run[@]}"
}

# The verdict on one case, as one line that begins with ok or FAILED.
judge() { # NUMBER
    local name want how flags log=$dir/$1.log found
    IFS='|' read -r name want how flags <<<"${cases[$1]}"
    mkdir "$dir/$1" && cd "$dir/$1" || exit 1
    # shellcheck disable=SC2086 # flags are words
    search "$how" $flags >"$log" 2>&1
    found=$(sed -nE 's/^pan:1: (assertion violated )?(.*) \(at depth ([0-9]+)\)$/\2|\3/p' "$log")
    local states
    states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' "$log")
    if [ -z "$want" ] && grep -q 'errors: 0$' "$log" && ! grep -qE 'too small|not completed|out of memory|truncated' "$log"; then
        echo "ok      $name: no error${states:+ in $states states}"
    elif [ -n "$want" ] && [ "${found%|*}" = "$want" ]; then
        echo "ok      $name: found $want, after ${found#*|} steps"
    else
        echo "FAILED  $name: want ${want:-no error}, got ${found:-nothing that pan calls an error}; the end of its log:"
        tail -n 20 "$log"
    fi
    rm -rf "${dir:?}/$1"
}

# A rule that can be left out must be left out by some case.
judge_table() {
    local switch missing=()
    while read -r switch; do
        printf '%s\n' "${cases[@]}" | grep -q "^$switch|" || missing+=("$switch")
    done < <(sed -nE 's/^#ifn?def (NO_[A-Z0-9_]+).*/\1/p' "$here/rules.pml")
    if [ ${#missing[@]} -eq 0 ]; then
        echo "ok      every switch of rules.pml has a case"
    else
        echo "FAILED  no case for ${missing[*]}"
    fi
}

tell_story() { # FLAG...
    local flags=(-DBOUNDED -DCHANGES=2 -DFAULTS=2 "$@")
    cd "$dir" || exit 1
    search short "${flags[@]}" >log 2>&1
    if [ -f model.pml.trail ]; then
        spin -k model.pml.trail -T "${flags[@]}" model.pml | sed '/^spin: trail ends/,$d'
    elif grep -q 'errors: 0$' log; then
        echo "no error with ${flags[*]}"
    else
        cat log
        return 1
    fi
}

if [ $# -gt 0 ]; then
    tell_story "$@"
    exit
fi

jobs=$(nproc)
[ "$jobs" -gt 4 ] && jobs=4 # memory: under half a GiB each
for number in "${!cases[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    judge "$number" >"$dir/$number.verdict" &
done
wait
judge_table >"$dir/table.verdict"

passed=0 failed=0
for number in "${!cases[@]}" table; do
    cat "$dir/$number.verdict"
    if grep -q '^ok ' "$dir/$number.verdict"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
