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

. tests/npm_modules.sh
npm_modules tests/deploy/cluster "$modules" || fail "npm ci failed"
TP_SOURCE=$root exec node "$modules/main.mjs"
