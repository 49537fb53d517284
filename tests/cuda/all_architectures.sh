#!/bin/sh
# all_architectures.sh NVCC ROOT: every kernel file for every architecture that is supported, and PTX, warnings as errors; then
# the budgets. TAP; minutes.
set -u
nvcc=$1 root=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
targets=-gencode=arch=compute_80,code=compute_80
for arch in 80 86 89 90a 100a 120; do
    targets="$targets -gencode=arch=compute_$arch,code=sm_$arch"
done
. "$root/tests/tap.sh"
tell() { cat "$out/log"; }
for file in "$root"/kernels/cuda/*.cu; do
    name=$(basename "$file" .cu)
    # shellcheck disable=SC2086 # the list is meant to be split
    "$root/kernels/cuda/compile" "$nvcc" "$file" "$out/$name.o" "$out/$name.ptxas" "$out/$name.d" $targets \
        -I"$root/kernels/cuda" -I"$root/src" -I"$root/kernels" 2>"$out/log"
    result $? "$name for sm_80, 86, 89, 90a, 100a, 120 and PTX"
done
"$root/tests/cuda/check_budgets" "$root/tests/cuda/budgets.txt" "$out"/*.ptxas >"$out/log"
result $? 'registers, shared memory and spills within the budgets'
tap_end
