#!/usr/bin/env bash
# Our HTTP reader beside nginx's and Node's, on some thousand streams. Last line: N passed, N failed.
# usage: tests/conformance/http/run.sh [--seed N] [--count N] [--show]      TP_FLAVOUR=asan (default release) chooses ours
set -euo pipefail
cd "$(dirname "$0")/../../.."
flavour=${TP_FLAVOUR:-release}
echo=build/$flavour/tests/conformance/http/echo
[ -x "$echo" ] || make --no-print-directory -s "$echo" FLAVOUR="$flavour" >&2 || { echo "0 passed, 1 failed"; exit 1; }
exec python3 -B tests/conformance/http/compare.py "$echo" "$@"
