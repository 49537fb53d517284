#!/bin/sh
# The whole way from nothing to the built-in model: train.sh FOLDER [SHARE]. Give the same command again to go on after a
# stop. SHARE shortens every part: 0.003 tries the whole way in some minutes. What comes out is FOLDER/last/stage3.pt.
set -e
. "$(dirname "$0")/stages.sh"

# the program's own pictures
stage S first 1 60 --batch 40 --constant 0.5 --floor 0.04
stage S first 2 15 --constant 0.6 --floor 0.3
stage S first 3 180 --batch 10 --constant 0.4 --floor 0.04 --average 0.01
# beside them other programs', whose print is said to be too small where it is
$python render.py --out "$folder/pictures" --shards "$(shards 30)"
stage S last 3 60 --checkpoint "$folder/first/stage3.pt" --pictures "$folder/pictures" --own 0.6 --batch 10 \
    --rate 0.5 --constant 0.15 --floor 0.03
