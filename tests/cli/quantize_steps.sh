#!/bin/sh
# tests/cli/quantize_steps.sh PHISCOPE MODELS STEPS EVERY: phiscope quantize is killed, and its disk is full, at one of
# EVERY of its calls that change files, and its file may not grow to its end. The same command then makes the same
# folder as one that nothing happened to. STEPS: the module that counts the calls. Prints TAP.
set -u
phiscope=$1 models=$2 steps=$(realpath "$3") every=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" LC_ALL=C
export ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0"
. "$(dirname -- "$0")/../tap.sh"
tell() { cat "$dir/err"; }

# quantize FOLDER [VARIABLES…]
quantize() {
    to=$1
    shift
    env "$@" "$phiscope" quantize -m "$models/tiny-gqa-bf16" --type q8 "$to" 2>"$dir/err"
}

# What was left is a folder that is refused by a sentence, or the whole; the command again makes it the whole.
again() {
    if [ ! -e "$dir/to/model.safetensors" ]; then
        [ ! -d "$dir/to" ] || "$phiscope" ask -m "$dir/to" Hi >"$dir/said" 2>&1
        [ $? != 0 ] && grep -q '^phiscope: ' "$dir/said" || [ ! -d "$dir/to" ] || return 1
        quantize "$dir/to" || return 1
    fi
    diff -r "$dir/whole" "$dir/to" >>"$dir/err"
}

quantize "$dir/whole"
result $? 'quantize'

killed=0
full=0
kill_bad=0
full_bad=0
for step in $(seq 1 "$every" 1000); do
    rm -rf "$dir/to"
    quantize "$dir/to" "LD_PRELOAD=$steps" "STEP_AT=$step" 2>/dev/null && break
    killed=$((killed + 1))
    again || { kill_bad=1 && echo "# killed at step $step"; }
    rm -rf "$dir/to"
    quantize "$dir/to" "LD_PRELOAD=$steps" "STEP_AT=$step" STEP_FULL=1
    [ $? = 4 ] && grep -q '^phiscope: cannot .*: No space left on device$' "$dir/err" || {
        full_bad=1
        sed "s/^/# full at step $step: /" "$dir/err"
    }
    [ -z "$(find "$dir" -name '*.phiscope-part')" ] || { full_bad=1 && echo "# full at step $step: a part is left"; }
    full=$((full + 1))
    again || { full_bad=1 && echo "# full at step $step"; }
done
[ $kill_bad = 0 ] && [ $killed -gt 5 ]
result $? "killed at $killed steps"
[ $full_bad = 0 ] && [ $full -gt 5 ]
result $? "the disk full at $full steps"

# What a killed one left is said by its name.
rm -rf "$dir/to"
cp -r "$dir/whole" "$dir/to"
mv "$dir/to/model.safetensors" "$dir/to/model.safetensors.phiscope-part"
"$phiscope" ask -m "$dir/to" Hi 2>"$dir/err"
[ $? != 0 ] && grep -q 'weights that phiscope quantize did not finish; run it again with this folder' "$dir/err"
result $? 'a folder that was not finished'

# Another one that is at it is not disturbed.
flock "$dir/to/model.safetensors.phiscope-part" -c "'$phiscope' quantize -m '$models/tiny-gqa-bf16' --type q8 '$dir/to'" 2>"$dir/err"
[ $? = 4 ] && grep -q 'another program is writing .*model.safetensors.phiscope-part' "$dir/err" &&
    cmp -s "$dir/whole/model.safetensors" "$dir/to/model.safetensors.phiscope-part"
result $? 'two at once'

# A bound on the size of files, whose signal kills.
rm -rf "$dir/to"
(ulimit -f 1000 && quantize "$dir/to") 2>/dev/null
[ $? != 0 ] && [ ! -e "$dir/to/model.safetensors" ] && again
result $? 'a bound on the size of files'

tap_end
