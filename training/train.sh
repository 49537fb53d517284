#!/bin/sh
# The whole way from nothing to the built-in model: train.sh FOLDER [SHARE]. Give the same command again to go on after a
# stop. SHARE shortens every part: 0.003 tries the whole way in some minutes. What comes out is FOLDER/last/stage3.pt.
set -e
folder=$(mkdir -p "$1" && cd "$1" && pwd)
share=${2:-1}
python=${PYTHON:-venv/bin/python}
cd "$(dirname "$0")"

part() { # a number times SHARE, at least LEAST: part NUMBER LEAST
    echo "$1 $share $2" | awk '{ n = $1 * $2; print n < $3 ? $3 : n }'
}
stage() { # run, number, minutes, options of train.py
    run=$folder/$1 number=$2 minutes=$(part "$3" 0)
    shift 3
    ./trainer.sh $python train.py --stage "$number" --minutes "$minutes" --run "$run" "$@"
}
# the program's own pictures
stage first 1 60 --batch 40 --constant 0.5 --floor 0.04
stage first 2 15 --constant 0.6 --floor 0.3
stage first 3 180 --batch 10 --constant 0.4 --floor 0.04 --average 0.01
# beside them other programs', whose print is said to be too small where it is
$python render.py --out "$folder/pictures" --shards "$(part 30 1 | cut -d. -f1)"
stage last 3 60 --checkpoint "$folder/first/stage3.pt" --pictures "$folder/pictures" --own 0.6 --batch 10 \
    --rate 0.5 --constant 0.15 --floor 0.03
