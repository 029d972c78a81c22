#!/usr/bin/env bash
# The sf CLI, as an admin has it, converts what deploy/salesforce ships. Last line: N passed, N failed.
# usage: tests/deploy/salesforce/cli/run.sh     170 MB from npm the first time, 480 MB in build/sf
set -euo pipefail
cd "$(dirname "$0")/../../../.."
root=$PWD
modules=build/sf
fail() {
    echo "sf: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

. tests/npm_modules.sh
npm_modules tests/deploy/salesforce/cli "$modules" || fail "npm ci failed"
node=$modules/node_modules/.bin/node
[ -x "$node" ] || fail "npm has no Node for this machine ($(uname -m)): add its package to tests/deploy/salesforce/cli/package.json"
TP_SOURCE=$root exec "$node" "$modules/main.mjs"
