#!/bin/sh
# load.sh PHISCOPE MODULE MODEL: the module that nvcc built is loaded, and says in one sentence what this machine lacks, or
# names its GPU. TAP.
set -u
phiscope=$1 model=$3
PHI3V_BACKEND_DIR=$(CDPATH='' cd -- "$(dirname -- "$2")" && pwd)
export PHI3V_BACKEND_DIR
. "$(dirname -- "$0")/../tap.sh"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
tell() { cat "$log"; }

# ask DEVICE: what is said goes to $log.
ask() { "$phiscope" ask -m "$model" --device "$1" --max-new-tokens 1 hello >"$log" 2>&1 </dev/null; }

"$phiscope" devices >"$log" 2>&1
result $? 'devices end well'
grep -Eq '^cuda:[0-9]+ .* GiB|^cuda +NVIDIA GPU  not usable: (no NVIDIA driver|the NVIDIA driver here|no NVIDIA GPU)' "$log"
result $? 'the module answers for its GPUs'
if grep -q '^cuda:' "$log"; then
    skip 'what is missing is explained' 'there is a GPU here'
else
    ask cuda
    status=$?
    [ $status != 0 ] && [ $status -lt 128 ]
    result $? 'device cuda is refused'
    [ "$(wc -l <"$log")" = 1 ] && grep -q 'use the device cpu' "$log"
    result $? 'in one sentence with the remedy'
    ask auto
    result $? 'device auto answers on the CPU'
    [ "$(grep -c 'on the CPU, because' "$log")" = 1 ]
    result $? 'and says so once'
fi
tap_end
