#!/usr/bin/env bash
# The page in Chromium, against the real daemon and orgsim. Last line: N passed, N failed.
# usage: tests/browser/run.sh [WORD…]     only the tests whose name contains one of the words
#        TP_FLAVOUR=asan (default release) chooses the daemon; SHOTS=DIR leaves a picture of every view there
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
modules=build/browser
fail() {
    echo "browser: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

export CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
[ -n "$CHROMIUM" ] || fail "there is no chromium; tests/deps.sh test installs it"

# Node finds packages beside the file that wants them, so the tests run from a copy beside the modules.
mkdir -p "$modules"
lock=$(cat tests/browser/package.json tests/browser/package-lock.json | sha256sum)
if [ "$(cat "$modules/installed" 2>/dev/null)" != "$lock" ]; then
    cp tests/browser/package.json tests/browser/package-lock.json "$modules/"
    (cd "$modules" && npm ci --loglevel=error --no-audit --no-fund --ignore-scripts --cache "$root/build/npm-cache" --prefer-offline) ||
        fail "npm ci failed"
    echo "$lock" >"$modules/installed"
fi
cp tests/browser/*.mjs "$modules/"
exec python3 -B tests/browser/run.py "$modules/main.mjs" "$@"
