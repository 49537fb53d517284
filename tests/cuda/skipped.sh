#!/bin/sh
# skipped.sh REASON NAME…: a TAP line for each test that cannot run here, so that a run's output names it.
reason=$1
shift
. "$(dirname -- "$0")/../tap.sh"
for name in "$@"; do skip "$name" "$reason"; done
tap_end
