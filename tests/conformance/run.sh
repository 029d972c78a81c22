#!/usr/bin/env bash
# jsforce, a client that others wrote, drives orgsim over real HTTP. Last line: N passed, N failed.
# usage: tests/conformance/run.sh     TP_FLAVOUR=asan (default release) chooses the orgsim
set -euo pipefail
cd "$(dirname "$0")/../.."
orgsim=${TP_ORGSIM:-build/${TP_FLAVOUR:-release}/orgsim}
modules=build/conformance
fail() {
    echo "conformance: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

[ -x "$orgsim" ] || make --no-print-directory -s orgsim FLAVOUR="${TP_FLAVOUR:-release}" || fail "orgsim can't be built"

. tests/npm_modules.sh
npm_modules tests/conformance "$modules" || fail "npm ci failed"

work=$(mktemp -d)
pid=
# shellcheck disable=SC2317 # called by the trap
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
printf 's3cret\n' >"$work/secret"
chmod 600 "$work/secret"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=conformance -keyout "$work/jwt.key" -out "$work/jwt.crt" 2>/dev/null
"$orgsim" --port 0 --port-file "$work/port" --client-id app --client-secret-file "$work/secret" --jwt-cert "$work/jwt.crt" \
    >"$work/orgsim.log" 2>&1 &
pid=$!
for _ in $(seq 200); do
    [ -s "$work/port" ] && break
    kill -0 "$pid" 2>/dev/null || fail "orgsim ended: $(cat "$work/orgsim.log")"
    sleep 0.05
done
[ -s "$work/port" ] || fail "orgsim did not start"

status=0
ORG="http://127.0.0.1:$(cat "$work/port")" JWT_KEY="$work/jwt.key" node "$modules/main.mjs" || status=$?
kill "$pid"
wait "$pid" || { cat "$work/orgsim.log" >&2; status=1; } # a sanitizer's finding is a failure
pid=
exit "$status"
