#!/bin/sh
# All three stages: train.sh RUN_FOLDER [SHARE]. Give the same command again to go on after a stop.
# SHARE shortens every stage: 0.01 tries the whole way in a few minutes.
set -e
run=$1
share=${2:-1}
python=${PYTHON:-venv/bin/python}
cd "$(dirname "$0")"

stage() { # number, minutes, options
    minutes=$(echo "$2 $share" | awk '{ print $1 * $2 }')
    number=$1
    shift 2
    $python train.py --stage "$number" --minutes "$minutes" --run "$run" "$@"
}
stage 1 60 --batch 40 --constant 0.5 --floor 0.04
stage 2 15 --constant 0.6 --floor 0.3
stage 3 180 --batch 10 --constant 0.4 --floor 0.04 --average 0.01
