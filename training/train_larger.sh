#!/bin/sh
# The way to the larger model: train_larger.sh FOLDER [SHARE]. Give the same command again to go on after a stop.
# SHARE shortens every part: 0.003 tries the whole way in a quarter of an hour. What comes out is FOLDER/last/stage3.pt.
set -e
folder=$(mkdir -p "$1" && cd "$1" && pwd)
share=${2:-1}
python=${PYTHON:-venv/bin/python}
cd "$(dirname "$0")"

part() { # a number times SHARE, at least LEAST: part NUMBER LEAST
    echo "$1 $share $2" | awk '{ n = $1 * $2; print n < $3 ? $3 : n }'
}
stage() { # size, run, number, minutes, options of train.py
    size=$1 run=$folder/$2 number=$3 minutes=$(part "$4" 0)
    shift 4
    ./trainer.sh $python train.py --size "$size" --stage "$number" --minutes "$minutes" --run "$run" "$@"
}
# letters of the program's own pictures first; then in all faces and of other programs' pictures
stage D first 1 60 --batch 40 --constant 0.8 --floor 0.3
$python render.py --out "$folder/pictures" --shards "$(part 40 1 | cut -d. -f1)"
stage D run 1 230 --checkpoint "$folder/first/stage1.pt" --full --pictures "$folder/pictures" \
    --batch 48 --constant 0.4 --floor 0.03 --average 0.005 --rate 0.35
stage D run 2 54 --full --pictures "$folder/pictures" --batch 32 --constant 0.6 --floor 0.1 --average 0.01
# whole pictures: from kept features; as they come, with a tower that learns as well; with two layers more
$python features.py "$folder/run/stage2.pt" --pictures "$folder/pictures" --out "$folder/features" \
    --shards "$(part 300 1 | cut -d. -f1)"
stage D run 3 80 --full --features "$folder/features" --batch 6 --constant 0.6 --floor 0.4 --average 0.01 --rate 0.8
stage D live 3 60 --checkpoint "$folder/run/stage3.pt" --full --pictures "$folder/pictures" --batch 6 \
    --rate 0.5 --constant 1 --average 0.01
[ -e "$folder/grown.pt" ] || $python grow.py "$folder/live/stage3.pt" --pictures "$folder/pictures" --out "$folder/grown.pt"
stage G last 3 190 --checkpoint "$folder/grown.pt" --places --full --pictures "$folder/pictures" --batch 6 \
    --rate 0.4 --constant 0.5 --floor 0.03 --average 0.01
