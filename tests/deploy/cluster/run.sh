#!/usr/bin/env bash
# What deploy/compose.yaml and deploy/kubernetes say, checked without an engine or a cluster. Last line: N passed, N failed.
# usage: tests/deploy/cluster/run.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
modules=build/cluster
fail() {
    echo "cluster: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

# Node finds packages beside the file that wants them, so the tests run from a copy beside the modules.
mkdir -p "$modules"
here=tests/deploy/cluster
lock=$(cat $here/package.json $here/package-lock.json | sha256sum)
if [ "$(cat "$modules/installed" 2>/dev/null)" != "$lock" ]; then
    cp $here/package.json $here/package-lock.json "$modules/"
    (cd "$modules" && npm ci --loglevel=error --no-audit --no-fund --ignore-scripts --cache "$root/build/npm-cache" --prefer-offline) ||
        fail "npm ci failed"
    echo "$lock" >"$modules/installed"
fi
cp $here/*.mjs "$modules/"
TP_SOURCE=$root exec node "$modules/main.mjs"
