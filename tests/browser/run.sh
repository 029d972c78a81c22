#!/usr/bin/env bash
# The page in Chromium, against the real daemon and orgsim. Last line: N passed, N failed.
# usage: tests/browser/run.sh [WORD…]     only the tests whose name contains one of the words
#        TP_FLAVOUR=asan (default release) chooses the daemon; SHOTS=DIR leaves a picture of every view there
set -euo pipefail
cd "$(dirname "$0")/../.."
modules=build/browser
fail() {
    echo "browser: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

export CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
[ -n "$CHROMIUM" ] || fail "there is no chromium; tests/deps.sh test installs it"

. tests/npm_modules.sh
npm_modules tests/browser "$modules" || fail "npm ci failed"
exec python3 -B tests/browser/run.py "$modules/main.mjs" "$@"
