#!/bin/sh
# tests/cli/streams.sh PHISCOPE MODELS: standard streams that are closed or full, and Ctrl-C while one is waited for.
# Prints TAP.
set -u
phiscope=$1 model=$2/tiny-gqa-bf16
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" LC_ALL=C
unset PHISCOPE_MODEL
. "$(dirname -- "$0")/../tap.sh"
tell() { cat "$dir/out" "$dir/err"; }
: >"$dir/out" && : >"$dir/err"

# fails STATUS PATTERN, with $? of the program before it: the status is this one, and one error says so.
fails() { [ $? = "$1" ] && [ "$(grep -c '^phiscope: ' "$dir/err")" = 1 ] && grep -q "$2" "$dir/err"; }

run() { "$phiscope" "$@" -m "$model" --max-new-tokens 3; }

run script - <&- >"$dir/out" 2>"$dir/err"
fails 4 'the script cannot be read: Bad file descriptor'
result $? 'a script from a closed standard input'
run <&- >"$dir/out" 2>"$dir/err"
fails 4 'the script cannot be read: Bad file descriptor'
result $? 'the same without a verb'
run ask - <&- >"$dir/out" 2>"$dir/err"
fails 4 'cannot read standard input: Bad file descriptor'
result $? 'a prompt from it'
run ask -i - hi <&- >"$dir/out" 2>"$dir/err"
fails 4 'cannot read the standard input: Bad file descriptor'
result $? 'a picture from it'
run ask hi <&- >"$dir/out" 2>"$dir/err" && [ -s "$dir/out" ]
result $? 'a question that does not need it'
for target in '&-' /dev/full; do
    for words in 'run ask hi' 'run ask --json hi' '$phiscope devices' '$phiscope help' '$phiscope models' '$phiscope version'; do
        eval "$words >$target" 2>"$dir/err" </dev/null
        fails 1 'standard output cannot be written'
        result $? "${words#* } >$target"
    done
    eval "run ask hi 2>$target" >"$dir/out" && [ -s "$dir/out" ]
    result $? "an answer with 2>$target"
done
# interrupted: the program $! that waits for its input ends with 130 after one Ctrl-C.
interrupted() {
    pid=$! tries=0
    until grep -q '^SigCgt:.*[2367abef]$' "/proc/$pid/status" || [ $((tries += 1)) = 300 ]; do sleep 0.1; done
    sleep 1 # until it waits
    kill -INT $pid
    (tries=0
        while kill -0 $pid && [ $((tries += 1)) -le 300 ]; do sleep 0.1; done
        kill -KILL $pid) >/dev/null 2>&1 &
    wait $pid 2>/dev/null
    [ $? = 130 ]
}

mkfifo "$dir/input"
exec 3<>"$dir/input" # nobody writes to it, and it does not end
for words in 'ask -i - hi' 'ask -' 'script -' 'debug tokenize'; do
    # shellcheck disable=SC2086 # the words are separate
    "$phiscope" $words -m "$model" <&3 >"$dir/out" 2>"$dir/err" &
    interrupted
    result $? "Ctrl-C ends $words"
done
printf '!kill -INT $$\nhi\n' | run script - >"$dir/out" 2>"$dir/err"
[ $? = 130 ] && [ ! -s "$dir/out" ]
result $? 'and a script whose command it ended'
tap_end
