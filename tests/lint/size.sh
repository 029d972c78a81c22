#!/usr/bin/env bash
# Reports file and function sizes (median, 90th percentile, largest) and lists what has outgrown the aim: files over 500 lines,
# functions over 80. A report, not a check.
# usage: tests/lint/size.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

# FILE LINE LINES NAME for each function: clang-format puts its braces alone into the first column, and no others
functions() {
    # shellcheck disable=SC2016 # for awk, not for the shell
    git ls-files '*.c' | xargs awk '
        FNR == 1 { head = "" }
        /^[{]$/ { start = FNR; name = head; next }
        /^[}]$/ && start { sub(/[(].*/, "", name); sub(/.*[ *]/, "", name); print FILENAME, start, FNR - start + 1, name; start = 0; head = ""; next }
        start { next }
        /^[A-Za-z_].*[(]/ && !/;$/ && !/^#/ { head = $0 }'
}

summary() { # label; numbers on standard input
    sort -n | awk -v label="$1" '
        { n[NR] = $1; sum += $1 }
        END {
            if (NR == 0) { printf "%-10s none\n", label; exit }
            printf "%-10s %5d   median %4d   90%% %4d   max %5d   all %6d lines\n", label, NR, n[int((NR + 1) / 2)], n[int((NR * 9 + 9) / 10)], n[NR], sum
        }'
}

lines() { git ls-files "$@" | xargs -r wc -l | awk '$2 != "total" { print $1, $2 }'; }

functions >"${work:=$(mktemp)}"
trap 'rm -f "$work"' EXIT
lines 'soap/*.c' 'receiver/*.c' | cut -d' ' -f1 | summary "files"
lines '*.h' | cut -d' ' -f1 | summary "headers"
lines 'tests/*.c' | cut -d' ' -f1 | summary "tests"
awk '$1 !~ /^tests\// { print $3 }' "$work" | summary "functions"
lines '*.c' '*.h' | awk '$1 > 500 { print $2 ": " $1 " lines (aim: up to 300, look for the second thing it does past 500)" }'
awk '$3 > 80 { print $1 ":" $2 ": " $4 "() has " $3 " lines (aim: up to 40)" }' "$work"
