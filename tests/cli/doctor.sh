#!/bin/sh
# tests/cli/doctor.sh PHISCOPE MODELS: what phiscope doctor finds, and what it does when something is wrong. Prints TAP.
set -u
phiscope=$1 models=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" HF_HUB_CACHE="$dir/hub" LC_ALL=C
unset PHISCOPE_MODEL PHI3V_CPU
. "$(dirname -- "$0")/../tap.sh"
tell() { cat "$dir/out" "$dir/err"; }

# doctor WORDS
doctor() { "$phiscope" doctor "$@" >"$dir/out" 2>"$dir/err"; }

# finds PATTERN…: each is a line of the findings.
finds() {
    for pattern; do grep -qE "$pattern" "$dir/out" || return 1; done
}

doctor
[ $? = 0 ] && finds '^program +phiscope [0-9]' '^library +libjpeg' '^library +jansson +[0-9]' '^cpu level +portable +on$' \
    '^device +cpu: ' '^memory +[0-9].* available$' '^tensors +([0-9]+) of the \1 that config.json asks for' \
    '^tokenizer +[0-9]+ ids, sha256 [0-9a-f]{64}$' '^answer +a red square is recognised' '^0 problems found$'
result $? 'nothing is wrong'
doctor -m "$models/tiny-gqa-bf16"
[ $? = 0 ] && finds "^model +$models/tiny-gqa-bf16\$" '^tensors +76 of the 76 ' '^answer +a red square is recognised'
result $? 'another model'
doctor -m "$dir/nowhere"
[ $? = 1 ] && finds '^model +WRONG: no model ".*/nowhere": there is no folder' '^answer +a red square is recognised' '^1 problem found$'
result $? 'a model that is not there'
mkdir "$dir/cut" && cp -L "$models"/tiny-gqa-bf16/* "$dir/cut" && truncate -s 100000 "$dir/cut/model-00002-of-00002.safetensors"
doctor -m "$dir/cut" --json
[ $? = 1 ] && finds '^\{"part":"model","good":false,"text":".*model-00002-of-00002.safetensors is cut short: ' '^\{"part":"answer","good":true,'
result $? 'a file that is cut, as JSON'
if [ "$(uname -m)" = x86_64 ]; then
    PHI3V_CPU=portable doctor
    [ $? = 0 ] && finds '^cpu level +avx2 +(turned off by PHI3V_CPU=portable|off: lacks .+)$' '^answer +a red square is recognised'
    result $? 'a level that is kept off'
fi
doctor why
[ $? = 2 ] && grep -q 'doctor takes no words' "$dir/err"
result $? 'no words'
"$phiscope" doctor >/dev/full 2>"$dir/err"
[ $? != 0 ]
result $? 'output that goes nowhere'

tap_end
