#!/bin/sh
# Everything that a GPU is needed for, in calls of less than ten minutes.
#   device.sh pack FOLDER               where the build is: copies what the other machine needs into FOLDER (programs, the module,
#                                       their libraries, models and goldens; PHI3V_GOLDENS names another set)
#   device.sh run FOLDER OUT [GROUP…]   on a machine with a GPU, needing nothing but the CUDA driver, cuBLASLt (of a toolkit or of
#                                       a Python wheel) and, for its parts, compute-sanitizer, Python and PyTorch
#   device.sh --dry-run FOLDER OUT [GROUP…]   the same with the emulated GPU of the build, parts that need more skipped by name
#   device.sh budget                    what each group may take, in seconds
# Groups are checks, bench and sanitize - these three are one call, and what is meant when none is named -, more and cycles.
# Each part has its own time limit, and those of a call's parts add up to less than ten minutes, so that none is left without
# time; a failed one does not end the run. OUT gets a log for each part and summary.json, which grows with further calls; the
# last line is "N passed, N failed".
set -u
CALL_SECONDS=570
usage() { sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# -- What there is to do ----------------------------------------------------------------------------------------------

# part GROUP NAME SECONDS COMMAND…; where $why says something, the part is skipped. In this order: what shows most comes first.
all_parts() {
    why=
    part checks devices 10 "$phiscope" devices --json
    part checks kernels 20 "$kernels"
    part checks activations 25 "$bin/activations_golden"
    part checks generation 40 env "$few" "$bin/generation_golden"
    part checks odd-sizes 25 "$bin/cuda_odd_sizes_test"

    why=$no_gpu
    bench bench bf16 40 bf16 auto 3 tg:0,tg:2560,tg:32768,many:4,many:8,pp:2600,vision:17,turn:17+40,edit:17+30
    bench bench q8 30 q8 auto 3 tg:0,tg:2560,many:4,many:8,pp:2600,vision:17,turn:17+40,edit:17+30
    bench bench q4 30 q4 auto 3 tg:0,tg:2560,tg:32768,many:4,many:8,pp:2600,vision:17,turn:17+40,edit:17+30
    # Once each, so the first cases load kernels and capture steps for those that follow.
    bench bench long 50 bf16 auto 1 tg:32768,pp:4096,pp:32768,tg:131000,pp:131000
    why=$no_torch
    part bench peers 170 env LD_LIBRARY_PATH="$found_path" python3 "$folder/peers/torch_cuda.py" "$out/peers.json"
    why=$no_goals
    part bench goals 5 env LD_LIBRARY_PATH="$found_path" python3 "$folder/goals.py" "$out"

    why=$no_sanitizer
    for tool in memcheck racecheck initcheck synccheck; do
        part sanitize $tool 28 compute-sanitizer --tool $tool --error-exitcode 9 "$kernels"
    done

    why=
    part more same-bits 80 "$folder/same_bits.sh" "$bin/cuda_same_bits" $large
    # shellcheck disable=SC2086 # the number of tokens, and perhaps a word
    part more long 130 "$bin/cuda_long_test" $long
    part more session 60 "$bin/cuda_session_test"
    part more batch 40 "$bin/cuda_batch_test"
    why=$no_gpu
    part more session-q4-kv8 60 env PHI3V_TEST_DTYPE=q4 PHI3V_TEST_KV=q8 "$bin/cuda_session_test"
    part more batch-large 60 "$bin/cuda_batch_test" large
    bench more kv8 40 q4 q8 3 tg:2560,tg:32768
    why=$no_sanitizer
    part more memcheck-module 70 compute-sanitizer --tool memcheck --error-exitcode 9 "$bin/cuda_odd_sizes_test"

    why=
    part cycles cycles 540 env PHI3V_TEST_CYCLES=$cycles "$bin/cuda_session_test" cycles_leak_nothing
}

# bench GROUP NAME SECONDS DTYPE KV REPEAT CASES: leaves bench-NAME.json
bench() {
    part "$1" "bench-$2" "$3" sh -c "'$phiscope' bench --synthetic phi3v --device cuda --dtype $4 --kv $5 --repeat $6 \
--json --case $7 >'$out/bench-$2.json'"
}

# -- Packing ----------------------------------------------------------------------------------------------------------

pack() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
    build=$root/build
    mkdir -p "$folder/bin" "$folder/lib" "$folder/cuda" "$folder/emulated" "$folder/peers"
    for program in repl/phiscope tests/golden/activations_golden tests/golden/generation_golden tests/cuda/cuda_session_test \
        tests/cuda/cuda_odd_sizes_test tests/cuda/cuda_batch_test tests/cuda/cuda_long_test tests/cuda/cuda_same_bits \
        tests/cuda/cuda_kernels_device_test tests/cuda/cuda_kernels_test; do
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
    cp "$0" "$root/tests/cuda/same_bits.sh" "$root/tests/cuda/goals.py" "$folder/"
    du -sh "$folder"
}

# -- Budgets ----------------------------------------------------------------------------------------------------------

# What the parts of the groups in $1 may take together.
budget_of() { (
    total=0
    call=$1
    part() { case " $call " in *" $1 "*) total=$((total + $3)) ;; esac }
    all_parts
    echo $total
); }

budget() {
    too_much=0
    for call in 'checks bench sanitize' more cycles; do
        seconds=$(budget_of "$call")
        echo "$call: $seconds of $CALL_SECONDS s"
        [ "$seconds" -le $CALL_SECONDS ] || too_much=1
    done
    return $too_much
}

# -- Running ----------------------------------------------------------------------------------------------------------

in_json() { printf '%s' "$*" | sed "s|$folder|FOLDER|g; s|$out|OUT|g; s/\\\\/\\\\\\\\/g; s/\"/\\\\\"/g" | tr -s '\n\t' '  '; }

record() { # GROUP NAME STATE SECONDS COMMAND…
    group_of=$1 name_of=$2 state_of=$3 seconds_of=$4
    shift 4
    printf '{"part": "%s", "group": "%s", "state": "%s", "seconds": %d, "at": "%s", "command": "%s"}\n' "$name_of" "$group_of" \
        "$(in_json "$state_of")" "$seconds_of" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(in_json "$@")" >"$out/parts/$name_of.json"
}

# Passes when the command ends with 0 and no line of its output begins with "not ok"; is skipped when it says that all of it was.
part() {
    of=$1 name=$2 limit=$3
    shift 3
    case " $groups " in *" $of "*) ;; *) return ;; esac
    if [ -n "$why" ]; then
        echo "skipped: $name: $why"
        record "$of" "$name" "skipped: $why" 0 "$@"
        return
    fi
    [ -z "$dry" ] || limit=$((limit * 4)) # emulated threads are slow
    begin=$(date +%s)
    timeout "$limit" "$@" >"$out/$name.log" 2>&1
    status=$?
    seconds=$(($(date +%s) - begin))
    if [ $status = 0 ] && grep -q '^1\.\.0 # SKIP' "$out/$name.log"; then
        said=$(sed -n 's/^1\.\.0 # SKIP //p' "$out/$name.log")
        echo "skipped: $name: $said"
        record "$of" "$name" "skipped: $said" $seconds "$@"
    elif [ $status = 0 ] && ! grep -q '^not ok' "$out/$name.log"; then
        echo "ok - $name ($seconds s)"
        passed=$((passed + 1))
        record "$of" "$name" passed $seconds "$@"
    else
        [ $status = 124 ] && status='124, no more time'
        echo "not ok - $name ($seconds s, status $status)"
        grep -m 5 '^not ok' "$out/$name.log" || tail -n 3 "$out/$name.log"
        failed=$((failed + 1))
        record "$of" "$name" "failed: $status" $seconds "$@"
    fi
}

# Everything in $out so far as one JSON object: the GPU, the parts, and what they measured.
summarize() {
    card=$(nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader 2>/dev/null | head -n 1)
    printf '{"card": "%s", "dry_run": %s,\n "parts": [' "$(in_json "$card")" "$([ -n "$dry" ] && echo true || echo false)"
    comma=
    for file in "$out"/parts/*.json; do
        printf '%s\n  %s' "$comma" "$(cat "$file")"
        comma=,
    done
    printf '],\n "results": {'
    comma=
    for file in "$out"/bench-*.json "$out/peers.json" "$out/goals.json"; do
        [ -s "$file" ] || continue
        printf '%s\n  "%s": %s' "$comma" "$(basename "$file" .json)" "$(cat "$file")"
        comma=,
    done
    printf '}}\n'
}

# Why parts of a kind cannot run here; empty: they can.
look_around() {
    no_gpu='' no_torch='' no_sanitizer='' no_goals=''
    command -v compute-sanitizer >/dev/null || no_sanitizer='compute-sanitizer is not here'
    command -v python3 >/dev/null || no_goals='Python is not here'
    python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || no_torch='no PyTorch that sees the GPU'
    [ -n "$dry" ] || return
    no_gpu='no GPU' no_torch='no GPU' no_sanitizer='no GPU' no_goals='no GPU'
}

run() {
    passed=0 failed=0
    mkdir -p "$out/parts"
    found_path=${LD_LIBRARY_PATH-} # Python there does not want our libraries
    look_around
    # cuBLASLt: of a toolkit, or of the wheel that PyTorch brings.
    for place in /usr/local/cuda*/lib64 "$(python3 -c 'import nvidia, os; print(os.path.dirname(list(nvidia.__path__)[0] + "/x"))' 2>/dev/null)"/*/lib; do
        [ -d "$place" ] && LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$place
    done
    LD_LIBRARY_PATH=$folder/lib:${LD_LIBRARY_PATH-}
    PHI3V_BACKEND_DIR=$folder/cuda
    [ -z "$dry" ] || PHI3V_BACKEND_DIR=$folder/emulated
    export LD_LIBRARY_PATH PHI3V_BACKEND_DIR
    export PHI3V_TEST_DEVICE=cuda PHI3V_GOLDENS="$folder/goldens" CMOCKA_MESSAGE_OUTPUT=TAP
    all_parts
    summarize >"$out/summary.json"
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}

# What differs between a GPU and an emulated one.
set_programs() {
    bin=$folder/bin
    phiscope=$bin/phiscope kernels=$bin/cuda_kernels_device_test
    few=PHI3V_TEST_ONLY= large=large long='131072 wide' cycles=10000
    [ -n "$dry" ] || return 0
    kernels=$bin/cuda_kernels_test
    few='PHI3V_TEST_ONLY=tiny-long-bf16 text_exactly_256' large=small long=1200 cycles=40
}

mode=${1-} folder=${2-} out=${3-}
dry='' found_path='' no_gpu='' no_torch='' no_sanitizer='' no_goals=''
case $mode in
budget)
    set_programs
    budget
    ;;
pack)
    [ $# = 2 ] || usage
    pack
    ;;
run | --dry-run)
    [ $# -ge 3 ] || usage
    [ "$mode" = run ] || dry=1
    mkdir -p "$out"
    folder=$(CDPATH='' cd -- "$folder" && pwd) out=$(CDPATH='' cd -- "$out" && pwd)
    shift 3
    groups=${*:-checks bench sanitize}
    for group in $groups; do
        case $group in checks | bench | sanitize | more | cycles) ;; *) usage ;; esac
    done
    set_programs
    if [ -z "$dry" ] && [ "$(budget_of "$groups")" -gt $CALL_SECONDS ]; then
        echo "device.sh: $groups may take $(budget_of "$groups") s together; a call has $CALL_SECONDS: name fewer" >&2
        exit 2
    fi
    run
    ;;
*) usage ;;
esac
