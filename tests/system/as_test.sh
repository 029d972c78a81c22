#!/usr/bin/env bash
# Runs a command as one test and says so in the line that the runner counts.
"$@"
status=$?
if [ "$status" -eq 0 ]; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; fi
exit "$status"
