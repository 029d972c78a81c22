#!/usr/bin/env bash
# What deploy/salesforce ships, checked without an org. Last line: N passed, N failed.
# usage: tests/deploy/salesforce/run.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD
modules=build/metadata
fail() {
    echo "metadata: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

. tests/npm_modules.sh
npm_modules tests/deploy/salesforce "$modules" || fail "npm ci failed"
TP_SOURCE=$root exec node "$modules/main.mjs"
