#!/bin/sh
# tests/cli/save_steps.sh PHISCOPE MODELS STEPS EVERY: a script that saves its notebook twice is killed, and its disk is
# full, at one of EVERY of its calls that change files. The file is then what it was or what was saved, whole, and the
# same script leaves nothing beside it. STEPS: the module that counts the calls. Prints TAP.
set -u
phiscope=$1 models=$2 steps=$(realpath "$3") every=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" LC_ALL=C
export ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0"
. "$(dirname -- "$0")/../tap.sh"
mkdir "$dir/books"
book=$dir/books/book.ipynb

# run [VARIABLES…]
run() {
    printf 'One\n:save! %s\nTwo\n:save! %s\n' "$book" "$book" |
        env "$@" "$phiscope" script -m "$models/tiny-gqa-bf16" --max-new-tokens 2 - >/dev/null 2>"$dir/err"
}

# all FULL STATUS: at every step; FULL is a variable.
all() {
    n_steps=0
    for step in $(seq 1 "$every" 1000); do
        printf '%s' "$old" >"$book"
        run "LD_PRELOAD=$steps" "STEP_AT=$step" "$1" 2>/dev/null
        status=$?
        [ $status = 0 ] && break
        n_steps=$((n_steps + 1))
        [ $status = "$2" ] || { echo "# step $step: status $status" && return 1; }
        [ "$2" = 137 ] || grep -qx "phiscope: cannot write $book: No space left on device" "$dir/err" || return 1
        tr -d '\n ' <"$book" | grep -q '^{"cells":\[.*}$' || { echo "# step $step: half a file" && return 1; }
        run X=1 && [ "$(ls -A "$dir/books")" = book.ipynb ] && grep -q '"One"' "$book" && grep -q '"Two"' "$book" || {
            echo "# step $step: $(ls -A "$dir/books" | tr '\n' ' ')" && return 1
        }
    done
    [ $n_steps -gt 3 ]
}

old='{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
all X=1 137
result $? "killed at $n_steps steps"
all STEP_FULL=1 4
result $? "the disk full at $n_steps steps"
tap_end
