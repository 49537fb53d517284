#!/bin/sh
# tests/cli/remarks.sh PHISCOPE PICTURES: of damaged pictures there is one sentence to be seen, and nothing of what their
# libraries remark. Prints TAP.
set -u
phiscope=$1 pictures=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir" XDG_CACHE_HOME="$dir" LC_ALL=C
n=0
failed=0
for file in jxl-lossless.jxl jxl-alpha.jxl jxl-grey.jxl avif-lossless.avif avif-420.avif heic-444.heic tiff-rgb-lzw.tif; do
    size=$(wc -c <"$pictures/$file") bad=0 refused=0
    for part in 10 25 40 60 80 95; do
        cp "$pictures/$file" "$dir/damaged"
        printf '\377\377\000\377' | dd of="$dir/damaged" bs=1 seek=$((size * part / 100)) conv=notrunc 2>/dev/null
        "$phiscope" debug preprocess -i "$dir/damaged" -o "$dir/out.npy" >/dev/null 2>"$dir/err"
        [ $? = 0 ] || refused=$((refused + 1))
        [ "$(wc -l <"$dir/err")" -le 1 ] && ! grep -qv '^phiscope: ' "$dir/err" || { bad=1; sed 's/^/# /' "$dir/err"; }
    done
    n=$((n + 1))
    [ $bad = 0 ] && [ $refused -gt 0 ] && echo "ok $n - $file: $refused of 6 refused, with a sentence each" ||
        { failed=1; echo "not ok $n - $file: $refused of 6 refused"; }
done
echo "1..$n"
exit $failed
