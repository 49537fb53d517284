#!/bin/sh
# All three stages: train.sh RUN_FOLDER. Give the same command again to go on after a stop.
set -e
run=$1
python=${PYTHON:-venv/bin/python}
cd "$(dirname "$0")"
# large tensors stay in the heap instead of being mapped and unmapped at every operation
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=300000000
$python train.py --stage 1 --minutes 14 --run "$run"
$python train.py --stage 2 --minutes 10 --run "$run" --floor 0.3
$python train.py --stage 3 --minutes 90 --run "$run"
