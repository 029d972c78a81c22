#!/usr/bin/env bash
# The whole story end to end, against a simulated org: see demo.py. --keep leaves it running.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec python3 tests/demo/demo.py "$@"
