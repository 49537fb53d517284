#!/bin/sh
# same_bits.sh PROGRAM [large]: two processes of same_bits compute the same bits; on the emulated GPU also when its threads run
# in another order. TAP.
set -u
program=$1 size=${2-}
first=$(mktemp -d) second=$(mktemp -d)
trap 'rm -rf "$first" "$second"' EXIT
PHI3V_EMULATED_SEED=7 "$program" "$first" "$size" >"$first.log" 2>&1 &&
    PHI3V_EMULATED_SEED=8 "$program" "$second" "$size" >"$first.log" 2>&1
status=$?
[ $status = 0 ] || sed 's/^/# /' "$first.log"
rm -f "$first.log"
n=0
failed=$status
for dtype in bf16 q8 q4; do
    for kv in bf16 q8; do
        n=$((n + 1))
        name=$dtype-kv-$kv
        if [ -s "$first/$name" ] && cmp "$first/$name" "$second/$name"; then
            echo "ok $n - $name, $(wc -c <"$first/$name") bytes of logits and ids"
        else
            echo "not ok $n - $name: two processes differ"
            failed=1
        fi
    done
done
echo "1..$n"
exit "$failed"
