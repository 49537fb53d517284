#!/bin/sh
# tests/cli/remarks.sh PHISCOPE PICTURES: of damaged pictures there is one sentence to be seen, and nothing of what their
# libraries remark. Prints TAP.
set -u
phiscope=$1 pictures=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" LC_ALL=C
. "$(dirname -- "$0")/../tap.sh"
tell() { cat "$dir/remarks"; }

# crops FILE: what the model sees of it; what is said goes to $dir/err.
crops() { "$phiscope" debug preprocess -i "$1" -o "$dir/out.npy" >/dev/null 2>"$dir/err"; }

for file in jxl-lossless.jxl jxl-alpha.jxl jxl-grey.jxl avif-lossless.avif avif-420.avif heic-444.heic tiff-rgb-lzw.tif; do
    crops "$pictures/$file" || { skip "$file" "this build does not read it: $(cat "$dir/err")" && continue; }
    size=$(wc -c <"$pictures/$file") refused=0
    : >"$dir/remarks"
    for part in 10 25 40 60 80 95; do
        cp "$pictures/$file" "$dir/damaged"
        printf '\377\377\000\377' | dd of="$dir/damaged" bs=1 seek=$((size * part / 100)) conv=notrunc 2>/dev/null
        crops "$dir/damaged" || refused=$((refused + 1))
        [ "$(wc -l <"$dir/err")" -le 1 ] && ! grep -qv '^phiscope: ' "$dir/err" || cat "$dir/err" >>"$dir/remarks"
    done
    [ ! -s "$dir/remarks" ] && [ $refused -gt 0 ]
    result $? "$file: $refused of 6 refused, with a sentence each"
done
tap_end
