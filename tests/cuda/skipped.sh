#!/bin/sh
# skipped.sh REASON NAME…: a TAP line for each test that cannot run here, so that a run's output names it.
reason=$1
shift
n=0
for name in "$@"; do
    n=$((n + 1))
    echo "ok $n - $name # SKIP $reason"
done
echo "1..$n"
