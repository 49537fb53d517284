#!/bin/sh
# tests/cli/models.sh PHISCOPE MODELS: the list of models, and taking one away, over a cache made here. Prints TAP.
set -u
phiscope=$1 models=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" HF_HUB_CACHE="$dir/hub" LC_ALL=C
unset HF_TOKEN HF_ENDPOINT HF_HOME
. "$(dirname -- "$0")/../tap.sh"
sha=0123456789abcdef0123456789abcdef01234567
whole=$dir/hub/models--Org--Whole

tell() { cat "$dir/out" "$dir/err"; }

# run WORDS: phiscope models WORDS with $answer on standard input.
run() {
    printf '%s' "$answer" | "$phiscope" models "$@" >"$dir/out" 2>"$dir/err"
}

# A model as Python lays it down, one of whose files other models share.
mkdir -p "$whole/snapshots/$sha" "$whole/blobs" "$whole/refs" "$dir/hub/blobs/0a" "$dir/hub/.locks/models--Org--Whole"
printf %s $sha >"$whole/refs/main"
cp -L "$models"/tiny-long-bf16/* "$whole/blobs/"
mv "$whole/blobs/tokenizer.json" "$dir/hub/blobs/0a/shared"
ln -s ../../blobs/0a/shared "$whole/blobs/tokenizer.json"
for file in "$models"/tiny-long-bf16/*; do ln -s "../../blobs/${file##*/}" "$whole/snapshots/$sha/${file##*/}"; done
: >"$dir/hub/.locks/models--Org--Whole/key.lock"
# Another kind, one that is cut off, one whose download has begun.
other=$dir/hub/models--a--llama/snapshots/$sha
mkdir -p "$other" "$dir/hub/models--b--cut/snapshots/$sha" "$dir/hub/models--c--begun/blobs"
echo '{"model_type": "llama"}' >"$other/config.json"
for file in config.json tokenizer.json preprocessor_config.json; do cp -L "$models/tiny-gqa-bf16/$file" "$dir/hub/models--b--cut/snapshots/$sha/"; done
cp "$models/tiny-gqa-bf16/model.safetensors.index.json" "$models/tiny-gqa-bf16/model-00001-of-00002.safetensors" "$dir/hub/models--b--cut/snapshots/$sha/"
truncate -s 3G "$dir/hub/models--c--begun/blobs/0a.incomplete"

answer=
run
grep -q '^Org/Whole  *5.5 MB  whole ' "$dir/out"
result $? 'a whole one, its size with what it shares'
grep -q "^a/llama .* not Phi-3-vision (llama) " "$dir/out"
result $? 'another kind'
grep -q "^b/cut .* lacks model-00002-of-00002.safetensors " "$dir/out"
result $? 'a file that is missing'
grep -q "^c/begun  *3.2 GB  lacks everything; a download is unfinished " "$dir/out"
result $? 'a download that has begun'
run --json
grep -q "^{\"name\":\"Org/Whole\",\"path\":\"$whole/snapshots/$sha\",\"bytes\":[0-9]*,\"model_type\":\"phi3_v\",\"complete\":true,\"missing\":null}$" "$dir/out" &&
    grep -q '"name":"b/cut",.*"complete":false,"missing":"model-00002-of-00002.safetensors"' "$dir/out"
result $? 'the same as JSON'
"$phiscope" ask -m org/whole --max-new-tokens 1 Hi >"$dir/out" 2>"$dir/err"
result $? 'what is whole opens'

run rm org/whole
[ $? = 1 ] && [ -d "$whole" ] && grep -q '^phiscope: Org/Whole was not removed$' "$dir/err"
result $? 'no answer is no'
answer='n'
run rm org/whole
[ $? = 1 ] && [ -d "$whole" ]
result $? 'no is no'
answer='y'
flock -x "$dir/hub/.locks/models--Org--Whole/key.lock" sh -c 'printf y | "$1" models rm org/whole >"$2/out" 2>"$2/err"' - "$phiscope" "$dir"
[ $? = 1 ] && [ -d "$whole" ] && grep -q 'Org/Whole is being fetched by another program' "$dir/err"
result $? 'not while it is fetched'
for refused in 'default:2:is not in the Hugging Face cache' 'org/whoel:3:no model org/whoel is here' \
    'org/whole@v2:2:a single revision' '../hub:3:no model'; do
    rest=${refused#*:}
    run rm "${refused%%:*}"
    [ $? = "${rest%%:*}" ] && [ -d "$whole" ] && grep -q "${rest#*:}" "$dir/err"
    result $? "refused: ${refused%%:*}"
done
run rm https://huggingface.co/Org/Whole/tree/main
[ $? = 0 ] && [ ! -e "$whole" ] && [ -s "$dir/hub/blobs/0a/shared" ] && [ -d "$other" ] && [ ! -e "$dir/hub/.phiscope-removed" ]
result $? 'removed, and nothing else: what others share stays'
run
grep -q '^a/llama ' "$dir/out" && ! grep -q Whole "$dir/out"
result $? 'no longer listed, and the others are'

tap_end
