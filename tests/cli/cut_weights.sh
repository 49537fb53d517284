#!/bin/sh
# tests/cli/cut_weights.sh PHISCOPE MODELS: the weights file is cut or changed while the model is in use. An answer
# under way ends with one sentence and status 3, the next one is refused; nothing ends by a signal. Prints TAP.
set -u
phiscope=$1 models=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" LC_ALL=C
. "$(dirname -- "$0")/../tap.sh"
m=$dir/model
cut='was cut short, or its disk failed, while the model was in use; start again when the file is complete'

fresh() {
    rm -rf "$m" "$dir/in"
    mkdir "$m"
    cp "$models"/tiny-long-bf16/*.json "$models"/tiny-long-bf16/*.safetensors "$m/"
    chmod -R u+w "$m"
    : >"$dir/out"
    : >"$dir/err"
}

tell() { cat "$dir/err"; }

# Until the program has written something, or so many lines: an answer of two words here is one.
await() {
    tries=0
    while { [ ! -s "$1" ] || [ "$(wc -l <"$1")" -lt "${2-0}" ]; } && [ $tries -lt 400 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# Until process PID has computed for another tenth of a second: the answer that it was asked for is under way.
await_work() {
    ticks=$(awk '{ print $14 + $15 }' "/proc/$1/stat")
    tries=0
    while [ "$(awk '{ print $14 + $15 }' "/proc/$1/stat")" -lt $((ticks + 10)) ] && [ $tries -lt 400 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# An answer that lasts for seconds is cut after its first letters.
fresh
"$phiscope" ask -m "$m" --max-new-tokens 7000 Hi >"$dir/out" 2>"$dir/err" &
await "$dir/out"
truncate -s 4096 "$m/model.safetensors"
wait $!
[ $? = 3 ] && [ "$(grep -c . "$dir/err")" = 1 ] && grep -qx "phiscope: model.safetensors $cut" "$dir/err"
result $? 'an answer that is cut off'

# The same as JSON, in the middle of a script.
fresh
mkfifo "$dir/in"
"$phiscope" script -m "$m" --json --max-new-tokens 1 - <"$dir/in" >"$dir/out" 2>"$dir/err" &
exec 3>"$dir/in"
echo Hi >&3
await "$dir/out" 1
printf ':set max_new_tokens 7000\nAgain\n' >&3
await_work $!
truncate -s 4096 "$m/model.safetensors"
exec 3>&-
wait $!
[ $? = 3 ] && grep -q "^{\"error\":{\"code\":\"model\",\"message\":\".* $cut\"}}" "$dir/out" && [ ! -s "$dir/err" ]
result $? 'the same as JSON'

# between WHAT SAYS: something happens to the file after one answer of a script; the next is refused.
between() {
    fresh
    mkfifo "$dir/in"
    "$phiscope" script -m "$m" --max-new-tokens 2 - <"$dir/in" >"$dir/out" 2>"$dir/err" &
    exec 3>"$dir/in"
    echo Hi >&3
    await "$dir/out" 1
    sh -c "$1"
    echo Again >&3
    exec 3>&-
    wait $!
    [ $? = 1 ] && [ "$(grep -c '^phiscope: ' "$dir/err")" = 1 ] && grep -q "$2; open the model again when the file is whole" "$dir/err"
    result $? "$3"
}
between "truncate -s 4096 '$m/model.safetensors'" 'model.safetensors was cut short while the model is in use' 'cut between answers'
between "truncate -s 0 '$m/model.safetensors'" 'was cut short while the model is in use' 'emptied between answers'
between "printf x | dd of='$m/model.safetensors' bs=1 seek=4000000 conv=notrunc status=none" 'was changed while the model is in use' 'written to between answers'

# What replaces the file as a whole does not concern the one that is in use.
fresh
mkfifo "$dir/in"
"$phiscope" script -m "$m" --max-new-tokens 2 - <"$dir/in" >"$dir/out" 2>"$dir/err" &
exec 3>"$dir/in"
echo Hi >&3
await "$dir/out" 1
echo new >"$m/other"
mv "$m/other" "$m/model.safetensors"
echo Again >&3
exec 3>&-
wait $!
result $? 'replaced as a whole'

tap_end
