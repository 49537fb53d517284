#!/bin/sh
# Everything that a GPU is needed for, in one call of less than ten minutes.
#   device.sh pack FOLDER            where the build is: copies what the other machine needs into FOLDER (programs, the module,
#                                    their libraries, models and goldens; PHI3V_GOLDENS names another set)
#   device.sh run FOLDER OUT         on a machine with a GPU, needing nothing but the CUDA driver, cuBLASLt (of a toolkit or of
#                                    a Python wheel) and, for its parts, compute-sanitizer and PyTorch
#   device.sh --dry-run FOLDER OUT   the same with the emulated card of the build, parts that need more skipped by name
# Each part has its own time limit; a failed one does not end the run. OUT gets a log for each part and summary.json; the last
# line is "N passed, N failed".
set -u
usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
mode=$1 folder=$2

pack() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
    build=$root/build
    mkdir -p "$folder/bin" "$folder/lib" "$folder/cuda" "$folder/emulated" "$folder/peers"
    for program in repl/phiscope tests/golden/activations_golden tests/golden/generation_golden tests/cuda/cuda_session_test \
        tests/cuda/cuda_odd_sizes_test tests/cuda/cuda_together_test tests/cuda/cuda_kernels_device_test \
        tests/cuda/cuda_kernels_test; do
        [ -e "$build/$program" ] || { echo "device.sh: $build/$program is not built" >&2; exit 1; }
        strip -o "$folder/bin/$(basename "$program")" "$build/$program"
        ldd "$build/$program" | awk '$3 ~ /^\// { print $3 }' |
            grep -Ev '/(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s)\.so|libcuda' |
            while read -r library; do cp -Lu "$library" "$folder/lib/"; done
    done
    cp "$build/kernels/cuda/phi3v-cuda.so" "$folder/cuda/" || exit 1
    cp "$build/tests/cuda/phi3v-cuda.so" "$folder/emulated/" || exit 1
    cp "$root/bench/peers/torch_cuda.py" "$folder/peers/"
    cp -R "${PHI3V_GOLDENS-$root/tests/golden/data}" "$folder/goldens"
    cp "$0" "$folder/device.sh"
    du -sh "$folder"
}

if [ "$mode" = pack ]; then
    pack
    exit
fi
[ $# = 3 ] || usage
dry=
[ "$mode" = --dry-run ] && dry=1
[ -n "$dry" ] || [ "$mode" = run ] || usage
mkdir -p "$3"
folder=$(CDPATH='' cd -- "$folder" && pwd) out=$(CDPATH='' cd -- "$3" && pwd)
seconds=570
[ -z "$dry" ] || seconds=1500
deadline=$(($(date +%s) + ${PHI3V_DEVICE_SECONDS-$seconds}))
passed=0
failed=0
parts=

# cuBLASLt: of a toolkit, or of the wheel that PyTorch brings.
for place in /usr/local/cuda*/lib64 "$(python3 -c 'import nvidia, os; print(os.path.dirname(list(nvidia.__path__)[0] + "/x"))' 2>/dev/null)"/*/lib; do
    [ -d "$place" ] && LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$place
done
LD_LIBRARY_PATH=$folder/lib:${LD_LIBRARY_PATH-}
export LD_LIBRARY_PATH
export PHI3V_TEST_DEVICE=cuda PHI3V_GOLDENS="$folder/goldens" CMOCKA_MESSAGE_OUTPUT=TAP
PHI3V_BACKEND_DIR=$folder/cuda
[ -z "$dry" ] || PHI3V_BACKEND_DIR=$folder/emulated
export PHI3V_BACKEND_DIR
kernels=$folder/bin/cuda_kernels_device_test
[ -z "$dry" ] || kernels=$folder/bin/cuda_kernels_test

record() { # NAME STATE SECONDS
    parts="$parts${parts:+,}
  {\"part\": \"$1\", \"state\": \"$2\", \"seconds\": $3}"
}

skip() {
    echo "skipped: $1: $2"
    record "$1" "skipped: $2" 0
}

# part NAME SECONDS COMMAND…: passes when the command ends with 0 and no line of its output begins with "not ok"; is skipped
# when it says that all of it was.
part() {
    name=$1 limit=$2
    shift 2
    [ -z "$dry" ] || limit=$((limit * 4)) # emulated threads are slow
    begin=$(date +%s)
    left=$((deadline - begin))
    [ "$limit" -lt "$left" ] || limit=$left
    if [ "$limit" -lt 1 ]; then
        echo "not ok - $name: no time is left"
        failed=$((failed + 1))
        record "$name" "no time" 0
        return
    fi
    timeout "$limit" "$@" >"$out/$name.log" 2>&1
    status=$?
    seconds=$(($(date +%s) - begin))
    if [ $status = 0 ] && grep -q '^1\.\.0 # SKIP' "$out/$name.log"; then
        skip "$name" "$(sed -n 's/^1\.\.0 # SKIP //p' "$out/$name.log")"
    elif [ $status = 0 ] && ! grep -q '^not ok' "$out/$name.log"; then
        echo "ok - $name ($seconds s)"
        passed=$((passed + 1))
        record "$name" passed $seconds
    else
        echo "not ok - $name ($seconds s, status $status)"
        grep -m 5 '^not ok' "$out/$name.log" || tail -n 3 "$out/$name.log"
        failed=$((failed + 1))
        record "$name" "failed: $status" $seconds
    fi
}

phiscope=$folder/bin/phiscope
part devices 20 "$phiscope" devices --json
part kernels 60 "$kernels"
if [ -n "$dry" ] || ! command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do skip "$tool" 'compute-sanitizer or a card is not here'; done
else
    for tool in memcheck racecheck initcheck synccheck; do
        part "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$kernels"
    done
fi
part activations 60 "$folder/bin/activations_golden"
if [ -n "$dry" ]; then
    part generation 100 env PHI3V_TEST_ONLY='tiny-long-bf16 text_exactly_256' "$folder/bin/generation_golden"
    part session 120 "$folder/bin/cuda_session_test"
else
    part generation 60 "$folder/bin/generation_golden"
    part session 60 env PHI3V_TEST_CYCLES=500 "$folder/bin/cuda_session_test"
    part session-q4-kv8 40 env PHI3V_TEST_DTYPE=q4 PHI3V_TEST_KV=q8 "$folder/bin/cuda_session_test"
fi
part odd-sizes 60 "$folder/bin/cuda_odd_sizes_test"
part together 40 "$folder/bin/cuda_together_test"
if [ -n "$dry" ]; then
    skip together-large 'no card'
    skip bench 'no card'
    skip peers 'no card'
else
    part together-large 60 "$folder/bin/cuda_together_test" large
    if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        part peers 150 python3 "$folder/peers/torch_cuda.py" "$out/peers.json"
    else
        skip peers 'no PyTorch that sees the card'
    fi
    for dtype in bf16 q8 q4; do
        part "bench-$dtype" 70 sh -c "'$phiscope' bench --synthetic phi3v --device cuda --dtype $dtype --repeat 3 --json \
            --case tg:0,tg:2560,tg:32768,many:4,many:8,pp:2600,vision:17,turn:17,edit:17 >'$out/bench-$dtype.json'"
    done
    part bench-long 70 sh -c "'$phiscope' bench --synthetic phi3v --device cuda --dtype bf16 --repeat 1 --json \
        --case pp:32768,pp:131000,tg:131000 >'$out/bench-long.json'"
    part bench-kv8 40 sh -c "'$phiscope' bench --synthetic phi3v --device cuda --dtype q4 --kv q8 --repeat 3 --json \
        --case tg:2560,tg:32768 >'$out/bench-kv8.json'"
fi
printf '{"passed": %d, "failed": %d, "dry_run": %s, "parts": [%s\n]}\n' $passed $failed "$([ -n "$dry" ] && echo true || echo false)" "$parts" \
    >"$out/summary.json"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
