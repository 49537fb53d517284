#!/bin/sh
# The way to the larger model: train_larger.sh FOLDER [SHARE]. Give the same command again to go on after a stop.
# SHARE shortens every part: 0.003 tries the whole way in a quarter of an hour. What comes out is FOLDER/last/stage3.pt.
set -e
. "$(dirname "$0")/stages.sh"

# letters of the program's own pictures first; then in all faces and of other programs' pictures
stage D first 1 60 --batch 40 --constant 0.8 --floor 0.3
$python render.py --out "$folder/pictures" --shards "$(shards 40)"
stage D run 1 230 --checkpoint "$folder/first/stage1.pt" --full --pictures "$folder/pictures" \
    --batch 48 --constant 0.4 --floor 0.03 --average 0.005 --rate 0.35
stage D run 2 54 --full --pictures "$folder/pictures" --batch 32 --constant 0.6 --floor 0.1 --average 0.01
# whole pictures: from kept features; as they come, with a tower that learns as well; with two layers more
$python features.py "$folder/run/stage2.pt" --pictures "$folder/pictures" --out "$folder/features" \
    --shards "$(shards 300)"
stage D run 3 80 --full --features "$folder/features" --batch 6 --constant 0.6 --floor 0.4 --average 0.01 --rate 0.8
stage D live 3 60 --checkpoint "$folder/run/stage3.pt" --full --pictures "$folder/pictures" --batch 6 \
    --rate 0.5 --constant 1 --average 0.01
[ -e "$folder/grown.pt" ] || $python grow.py "$folder/live/stage3.pt" --pictures "$folder/pictures" --out "$folder/grown.pt"
stage G last 3 190 --checkpoint "$folder/grown.pt" --places --full --pictures "$folder/pictures" --batch 6 \
    --rate 0.4 --constant 0.5 --floor 0.03 --average 0.01
