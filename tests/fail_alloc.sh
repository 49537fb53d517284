#!/bin/sh
# tests/fail_alloc.sh PHISCOPE ask|script [FIRST [STRIDE [repl]]]: lets one allocation of the library (or, with repl, of the
# program around it) fail, the FIRST, then the next
# STRIDE further on, …, in a run of `ask` or of a scripted session. Each run must end as without the failure, or say that it is
# memory that lacks: no crash, no other complaint, no leak (where a sanitizer looks for them). Ends when 60 failures in a row
# have changed nothing, because the run makes no more allocations. For builds with -Dfail_alloc=true or a sanitizer. Prints TAP.
set -u
phiscope=$1 what=$2 fail=${3:-1} stride=${4:-1}
variable=PHISCOPE_FAIL_ALLOC
[ "${5-}" != repl ] || variable=PHISCOPE_FAIL_ALLOC_REPL
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
model=$root/tests/golden/data/models/tiny-gqa-bf16
. "$root/tests/tap.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir"

cat >"$dir/session.phi" <<END
:load $root/samples/shapes.png
:set max_new_tokens=4
What do you see?
And the colours?
:edit 1 How many shapes are there?
:cells
:save! $dir/session.ipynb
:open $dir/session.ipynb
:stats
END

run() { # run N: its output is in $dir/out and $dir/err
    if [ "$what" = ask ]; then
        set -- "$1" ask --device cpu --threads 1 -m "$model" --num-crops 1 --max-new-tokens 4 -i "$root/samples/shapes.png" \
            'What do you see?'
    else
        set -- "$1" script --device cpu --threads 1 -m "$model" --num-crops 1 "$dir/session.phi"
    fi
    at=$1
    shift
    env "$variable=$at" "$phiscope" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}

# Times differ from run to run.
same() { sed -E 's/[0-9]+([.][0-9]+)?/N/g' "$1"; }

run 0
usual=$?
cp "$dir/out" "$dir/usual"
tell() { cat "$dir/err"; }
[ $usual = 0 ] && [ -s "$dir/out" ]
result $? "the run succeeds when nothing fails (status $usual)"

bad=0 seen=0 unchanged=0
while [ $unchanged -lt 60 ]; do
    run "$fail"
    status=$?
    if grep -qE "(not enough|out of) memory" "$dir/err" "$dir/out" && [ $status -lt 20 ]; then
        seen=$((seen + 1))
        unchanged=0
    elif [ $status = 0 ] && [ "$(same "$dir/out")" = "$(same "$dir/usual")" ]; then
        unchanged=$((unchanged + 1))
    else
        bad=$((bad + 1))
        unchanged=0
        echo "# allocation $fail: status $status"
        head -n 12 "$dir/err" | sed 's/^/#   /'
        [ $bad -ge 10 ] && break
    fi
    fail=$((fail + stride))
done
tell() { :; }
[ $bad = 0 ] && [ $seen -gt 10 ]
result $? "up to allocation $fail, $seen failures are told as what they are and $bad end otherwise"
tap_end
