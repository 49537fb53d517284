#!/bin/sh
# tests/cli/broken_models.sh PHISCOPE MODELS: damaged model folders. Each is refused with status 3, nothing on standard
# output and one sentence on standard error that names the thing. MODELS has tiny-long-bf16 (one file) and
# tiny-gqa-bf16 (two shards). Prints TAP.
set -u
phiscope=$1 models=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" HF_HUB_CACHE="$dir/hub" LC_ALL=C
. "$(dirname -- "$0")/../tap.sh"

# fresh MODEL: a copy to damage in $m.
fresh() {
    m=$dir/model
    rm -rf "$m"
    mkdir "$m"
    cp "$models/$1"/*.json "$models/$1"/*.safetensors "$m/"
    chmod -R u+w "$m"
}

tell() { cat "$dir/err" "$dir/out"; }

# refused NAME SENTENCE: opening $m fails with this fixed text.
refused() {
    "$phiscope" ask -m "$m" --max-new-tokens 1 Hi >"$dir/out" 2>"$dir/err"
    status=$?
    [ $status = 3 ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" = 1 ] &&
        grep -q '^phiscope: ' "$dir/err" && grep -qF -- "$2" "$dir/err"
    result $? "$1 (status $status)"
}

# edit FILE SED-PROGRAM
edit() {
    sed -i -e "$2" "$m/$1"
}

fresh tiny-long-bf16
"$phiscope" ask -m "$m" --max-new-tokens 1 Hi >"$dir/out" 2>"$dir/err"
result $? 'the undamaged folder answers'

# Files that are not there
for file in config.json preprocessor_config.json tokenizer.json; do
    fresh tiny-long-bf16 && rm "$m/$file" && refused "no $file" "$file"
done
fresh tiny-long-bf16 && rm "$m/model.safetensors" && refused 'no weights' 'has no weights: neither model.safetensors nor'
fresh tiny-gqa-bf16 && rm "$m/model-00002-of-00002.safetensors" &&
    refused 'no second shard' 'model-00002-of-00002.safetensors: No such file'
fresh tiny-long-bf16 && rm "$m/config.json" && mkdir "$m/config.json" && refused 'a folder for a file' 'it is a folder'

# Containers
fresh tiny-gqa-bf16 && truncate -s 100000 "$m/model-00002-of-00002.safetensors" &&
    refused 'a cut shard' 'model-00002-of-00002.safetensors is cut short: tensor '
fresh tiny-long-bf16 && truncate -s 0 "$m/model.safetensors" && refused 'an empty container' 'it has only 0 bytes'
fresh tiny-long-bf16 && truncate -s 1000 "$m/model.safetensors" && refused 'a cut header' 'it announces a header of'
fresh tiny-long-bf16 && printf '\377\377\377\377\377\377\377\177' | dd of="$m/model.safetensors" conv=notrunc status=none &&
    refused 'an absurd header length' 'announces a header of 9223372036854775807 bytes'
fresh tiny-long-bf16 && printf '[' | dd of="$m/model.safetensors" bs=1 seek=8 conv=notrunc status=none &&
    refused 'a header that is not JSON' 'the header is not valid'
fresh tiny-long-bf16 && cp "$m/tokenizer.json" "$m/model.safetensors" && refused 'JSON for a container' 'is not a safetensors file but text that begins with'

# Tensors
fresh tiny-long-bf16 && edit model.safetensors 's/model\.norm\.weight/model.nrom.weight/' &&
    refused 'a missing tensor' 'lack tensor model.norm.weight'
fresh tiny-long-bf16 && edit model.safetensors 's/"BF16"/"U16" /' && refused 'an unsupported type' 'only F32, BF16 and F16'
fresh tiny-long-bf16 && edit model.safetensors 's/"BF16"/"QX16"/' && refused 'an unknown type' 'unknown type QX16'
fresh tiny-long-bf16 && edit config.json 's/"intermediate_size": 80/"intermediate_size": 81/' &&
    refused 'a wrong shape' "mlp.gate_up_proj.weight is 160x32, expected 162x32: not this model's config.json?"
fresh tiny-gqa-bf16 && edit model.safetensors.index.json 's/"lm_head.weight": "model-00001/"lm_head.weight": "model-00002/' &&
    refused 'a tensor in another shard' 'says tensor lm_head.weight is in model-00002-of-00002.safetensors, but it is not'
fresh tiny-gqa-bf16 && edit model.safetensors.index.json 's#"model-00001#"../model-00001#' &&
    refused 'a shard outside the folder' 'not a plain file name'

# Configuration
fresh tiny-long-bf16 && echo '{' >"$m/config.json" && refused 'config.json is cut' 'config.json is not valid JSON'
fresh tiny-long-bf16 && edit config.json 's/"hidden_size": 32/"hidden_size": -1/' && refused 'a senseless size' 'hidden_size is -1'
fresh tiny-long-bf16 && edit config.json 's/"phi3_v"/"llama"/' && refused 'another architecture' 'model_type is "llama"'
fresh tiny-long-bf16 && edit config.json 's/"sliding_window": 131072/"sliding_window": 1024/' &&
    refused 'a sliding window' 'sliding_window is 1024'
fresh tiny-long-bf16 && edit preprocessor_config.json 's/"num_crops": 4/"num_crops": 0/' && refused 'no crops' 'num_crops is 0'
fresh tiny-long-bf16 && echo '{"eos_token_id": "x"}' >"$m/generation_config.json" &&
    refused 'a senseless stop id' 'generation_config.json: eos_token_id is "x"'

# Tokenizer
fresh tiny-long-bf16 && truncate -s 500000 "$m/tokenizer.json" && refused 'tokenizer.json is cut' 'tokenizer.json is not valid JSON'
fresh tiny-long-bf16 && edit tokenizer.json 's/"BPE"/"WordPiece"/' && refused 'another tokenizer' 'a model other than BPE'
fresh tiny-long-bf16 && edit tokenizer.json 's/"id":32044/"id":32064/; s/"id": 32044/"id": 32064/' &&
    refused 'more ids than rows' 'ids up to 32064, but vocab_size in config.json is 32064'

# Names, and the machine-readable form
m=$dir/nowhere && refused 'no such folder' 'there is no folder'
m=nobody/nothing && refused 'not in the cache' 'no such model in the cache'
fresh tiny-long-bf16 && m=$dir/modle && refused 'a slip of the keys' "did you mean $dir/model?"
m=https://huggingface.co/nobody/nothing/tree/main && refused 'a pasted address' 'no such model in the cache'
m="'$dir/model'" && "$phiscope" ask -m "$m" --max-new-tokens 1 Hi >"$dir/out" 2>"$dir/err"
result $? 'quotes around a name'
"$phiscope" ask -m "$dir/nowhere" --json Hi >"$dir/out" 2>"$dir/err"
[ $? = 3 ] && [ "$(wc -l <"$dir/out")" = 1 ] && grep -q '^{"error": *{"code"' "$dir/out"
result $? 'the same as JSON'

tap_end
