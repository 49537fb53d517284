#!/bin/sh
# All three stages: train.sh RUN_FOLDER. Give the same command again to go on after a stop.
set -e
run=$1
python=${PYTHON:-venv/bin/python}
cd "$(dirname "$0")"
$python train.py --stage 1 --minutes 14 --constant 0.6 --run "$run"
$python train.py --stage 2 --minutes 10 --run "$run" --constant 0.6 --floor 0.3
$python train.py --stage 3 --minutes 90 --run "$run"
