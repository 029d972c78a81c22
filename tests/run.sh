#!/usr/bin/env bash
# All tests: unit and store suites under ASan + UBSan, the threaded ones again under TSan, the model, fuzz smoke, and the system
# tests (the sanitized daemon against the sanitized orgsim). Last line: N passed, N failed.
# usage: tests/run.sh [NAME…]   only the programs and test files whose name contains one of the words
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export TP_SOURCE=$PWD
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:second_deadlock_stack=1}
passed=0 failed=0 jobs=${JOBS:-$(nproc)}
logs=build/test-logs
mkdir -p "$logs"

wanted() {
    [ ${#words[@]} -eq 0 ] && return 0
    local word
    for word in "${words[@]}"; do [[ $1 == *"$word"* ]] && return 0; done
    return 1
}

any_wanted() { # name…
    local name
    for name in "$@"; do wanted "$name" && return 0; done
    return 1
}

# A cmocka program, a script that ends in "N passed, N failed", or Python's unittest: count what its log says. A program
# that dies, hangs or says nothing counts as one failure.
tally() { # name log status
    local name=$1 log=$2 status=$3 good bad
    good=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p; s/.*\[  PASSED  \] ([0-9]+) test\(s\)\.$/\1/p; s/^([0-9]+) passed, [0-9]+ failed.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    bad=$(sed -nE 's/^\[  FAILED  \] ([0-9]+) test.*/\1/p; s/^[0-9]+ passed, ([0-9]+) failed.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    passed=$((passed + good)) failed=$((failed + bad))
    if [ "$bad" -ne 0 ]; then
        echo "FAILED  $name ($bad failed, exit $status); the end of $log:"
        grep -vE '^\[( RUN      |       OK )\] ' "$log" | tail -n 60 # what went well would fill it
    else
        echo "ok      $name ($good)"
    fi
}

# As many at a time as there are cores: most of them wait more than they work.
started=()
run() { # name command…
    local name=$1 log
    shift
    wanted "$name" || return 0
    log=$logs/${name//\//-}.log
    rm -f "$log.status" # of an earlier run
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    { timeout 600 "$@" >"$log" 2>&1; echo $? >"$log.status"; } &
    started+=("$name")
}

collect() {
    local name log
    wait
    for name in "${started[@]}"; do
        log=$logs/${name//\//-}.log
        tally "$name" "$log" "$(cat "$log.status" || echo 1)"
    done
    started=()
}

words=("$@")
units=(tests/{unit,store,orgsim}/*_test.c)
units=("${units[@]#tests/}") units=("${units[@]%.c}")
# the longest first, so that both cores are busy to the end
system=(tests/system/test_{fault_table,fault_bulk,bulk,faults,tls,schema,sync,write_back}.py)
for file in tests/system/test_*.py; do
    [[ " ${system[*]} " == *" $file "* ]] || system+=("$file")
done
system=("${system[@]#tests/}") system=("${system[@]%.py}")

if any_wanted "${units[@]}" "${system[@]}" store/postgres deploy/test_manuals deploy/test_monitoring deploy/test_install deploy/test_balancer deploy/test_guide deploy/cluster chaos faults browser conformance conformance/http demo; then
    echo "building (asan) …"
    make --no-print-directory -s -j"$jobs" daemon orgsim tests-build FLAVOUR=asan || { echo "0 passed, 1 failed"; exit 1; }
fi
for name in "${units[@]}"; do [[ $name == store/postgres* ]] || run "$name" "build/asan/tests/$name"; done
# the store's suite again, on a PostgreSQL server of its own
run store/postgres python3 -B tests/store/cluster.py tests/store/suite.sh build/asan
collect

threaded="tests/store/store_test tests/store/sqlite_ahead_test tests/store/sqlite_ahead_fault_test tests/store/wait_test tests/store/quarantine_test tests/unit/listener_test tests/unit/listener_life_test tests/unit/listener_drain_test tests/unit/listener_room_test
          tests/unit/tls_hello_test tests/unit/tls_listener_test tests/unit/tls_drain_test tests/unit/tls_handshake_test tests/unit/tls_tickets_test
          tests/unit/intake_test tests/unit/intake_end_test tests/unit/org_auth_test tests/unit/org_bulk_fault_test tests/unit/worker_gather_test tests/orgsim/server_test tests/orgsim/faults_test"
for program in $threaded; do
    wanted "tsan/${program#tests/}" || continue
    echo "building (tsan) $program …"
    make --no-print-directory -s -j"$jobs" FLAVOUR=tsan "build/tsan/$program" || { failed=$((failed + 1)); continue; }
    run "tsan/${program#tests/}" "build/tsan/$program"
done
if wanted tsan/postgres; then
    if make --no-print-directory -s -j"$jobs" FLAVOUR=tsan build/tsan/tests/store/{store,wait,postgres_put,postgres_copy}_test; then
        run tsan/postgres python3 -B tests/store/cluster.py tests/store/suite.sh build/tsan store wait postgres_put postgres_copy
    else
        failed=$((failed + 1))
    fi
fi
if wanted tsan/demo; then
    echo "building (tsan) …"
    if make --no-print-directory -s -j"$jobs" FLAVOUR=tsan daemon orgsim; then
        TP_FLAVOUR=tsan run tsan/demo tests/system/as_test.sh tests/demo/demo.sh
        TP_FLAVOUR=tsan run tsan/reload python3 -B tests/system/test_reload.py Reload.test_no_request_fails_while_reloads_go_on
    else
        failed=$((failed + 1))
    fi
fi
collect

if wanted fuzz; then
    echo "building (fuzz) …"
    if make --no-print-directory -s -j"$jobs" FLAVOUR=fuzz fuzz-build; then
        FUZZ_SECONDS=5 run fuzz tests/fuzz/fuzz.sh
    else
        failed=$((failed + 1))
    fi
fi

jobs=$((jobs + 1)) # these wait for time-outs and back-offs more than they work
for name in "${system[@]}"; do TP_FLAVOUR=asan run "$name" python3 -B "tests/$name.py"; done
for name in manuals monitoring install balancer guide; do TP_FLAVOUR=asan run "deploy/test_$name" python3 -B "tests/deploy/test_$name.py"; done
run deploy/salesforce tests/deploy/salesforce/run.sh
run deploy/sf tests/deploy/salesforce/cli/run.sh
TP_FLAVOUR=asan run deploy/cluster tests/deploy/cluster/run.sh
TP_FLAVOUR=asan run chaos python3 -B tests/chaos/chaos.py --short
TP_FLAVOUR=asan run faults python3 -B tests/faults/postgres.py --short
TP_FLAVOUR=asan run conformance tests/conformance/run.sh
TP_FLAVOUR=asan run browser tests/browser/run.sh
TP_FLAVOUR=asan run conformance/http tests/conformance/http/run.sh
TP_FLAVOUR=asan run demo tests/system/as_test.sh tests/demo/demo.sh
run model receiver/store/model/check.sh
collect

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
