#!/usr/bin/env bash
# Every static check there is; one line a check, the findings below it. Exits non-zero on any finding.
# usage: tests/lint/lint.sh [CHECK...]     default: all of format layers size gcc clang tidy cppcheck analyzer shell
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

jobs=${JOBS:-2}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()

c_files() { git ls-files "$@" | while read -r file; do [ -f "$file" ] && echo "$file"; done; }
sources() { c_files 'soap/*.c' 'receiver/*.c'; }

# The compiler flags of the Makefile, word by word; without what only gcc or only a build needs.
flags() {
    local text
    # shellcheck disable=SC2016 # for make, not for the shell
    text=$(make --no-print-directory -s --eval='show-flags: ; $(info $(BASE_CFLAGS)) @:' show-flags)
    eval "words=($text)"
    local word
    for word in "${words[@]}"; do
        case $word in -MMD | -MP | -Werror) ;; *) printf '%s\n' "$word" ;; esac
    done
}

# clang-format leaves comments alone, so that their tables stay, and hence does not see how wide they are.
check_format() {
    c_files '*.c' '*.h' | xargs clang-format --dry-run -Werror || return 1
    if c_files '*.c' '*.h' ':!tests/bench/gsoap_peer/outbound.h' | LC_ALL=C.UTF-8 xargs grep -nE '^.{101,}'; then
        echo "lines of more than 100 columns"
        return 1
    fi
}
check_layers() { tests/lint/layers.sh; }
check_size() { tests/lint/size.sh; }
check_gcc() { make --no-print-directory -s -j"$jobs" daemon orgsim tests-build FLAVOUR=asan; }
check_clang() { make --no-print-directory -s -j"$jobs" clang; }

check_tidy() {
    mapfile -t words < <(flags)
    sources | xargs -P "$jobs" -I FILE clang-tidy --quiet FILE -- "${words[@]}" 2> >(grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter' >&2)
}

# What it reports falsely is suppressed in place, with a reason; varFuncNullUB everywhere, since POSIX makes NULL a pointer and the
# compiler checks the sentinel of log_event().
check_cppcheck() {
    cppcheck -j "$jobs" --quiet --enable=warning,performance,portability --inline-suppr --std=c11 --library=posix --library=gnu \
        --suppress=varFuncNullUB --error-exitcode=1 -I include -D_GNU_SOURCE -DTP_VERSION='"lint"' soap receiver
}

check_analyzer() {
    mapfile -t words < <(flags)
    sources | xargs -P "$jobs" -I FILE gcc "${words[@]}" -Werror -O1 -fanalyzer -c FILE -o /dev/null
}

check_shell() { { git ls-files '*.sh'; git ls-files .ci/run deploy/certificate-hook deploy/debian/postrm; } | xargs shellcheck -x; }

run() { # check description
    local start=$SECONDS
    if "check_$1" >"$log" 2>&1; then
        printf 'ok      %-9s %s (%s s)\n' "$1" "$2" $((SECONDS - start))
        [ "$1" = size ] && sed 's/^/          /' "$log"
    else
        printf 'FAILED  %-9s %s (%s s)\n' "$1" "$2" $((SECONDS - start))
        cat "$log"
        failed+=("$1")
    fi
    return 0
}

declare -A TEXT=(
    [format]="clang-format"
    [layers]="includes, library headers, banned functions"
    [size]="file and function sizes (a report)"
    [gcc]="gcc, warnings as errors, everything"
    [clang]="clang, warnings as errors, everything"
    [tidy]="clang-tidy"
    [cppcheck]="cppcheck"
    [analyzer]="gcc -fanalyzer"
    [shell]="shellcheck"
)
checks=("$@")
[ $# -gt 0 ] || checks=(format layers size shell gcc clang cppcheck tidy analyzer)
for check in "${checks[@]}"; do
    if [ -z "${TEXT[$check]:-}" ]; then
        echo "unknown check: $check (there are: ${!TEXT[*]})" >&2
        exit 2
    fi
    run "$check" "${TEXT[$check]}"
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: ${#failed[@]} of ${#checks[@]} checks failed: ${failed[*]}"
    exit 1
fi
echo "lint: ${#checks[@]} checks passed"
