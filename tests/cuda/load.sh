#!/bin/sh
# load.sh PHISCOPE MODULE MODEL: the module that nvcc built is loaded, and says in one sentence what this machine lacks, or
# names its GPU. TAP.
set -u
phiscope=$1
PHI3V_BACKEND_DIR=$(CDPATH='' cd -- "$(dirname -- "$2")" && pwd)
export PHI3V_BACKEND_DIR
n=0
failed=0
ok() {
    n=$((n + 1))
    if eval "$2"; then echo "ok $n - $1"; else echo "not ok $n - $1"; sed 's/^/# /' "$log"; failed=1; fi
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$phiscope" devices >"$log" 2>&1
status=$?
ok 'devices end well' '[ $status = 0 ]'
ok 'the module answers for its GPUs' 'grep -Eq "^cuda:[0-9]+ .* GiB|^cuda +NVIDIA GPU  not usable: (no NVIDIA driver|the NVIDIA driver here|no NVIDIA GPU)" "$log"'
if grep -q '^cuda:' "$log"; then
    echo "ok $((n + 1)) - what is missing is explained # SKIP there is a GPU here"
    n=$((n + 1))
else
    "$phiscope" ask -m "$3" --device cuda --max-new-tokens 1 hello >"$log" 2>&1 </dev/null
    status=$?
    ok 'device cuda is refused' '[ $status != 0 ] && [ $status -lt 128 ]'
    ok 'in one sentence with the remedy' '[ "$(wc -l <"$log")" = 1 ] && grep -q "use the device cpu" "$log"'
    "$phiscope" ask -m "$3" --device auto --max-new-tokens 1 hello >"$log" 2>&1 </dev/null
    status=$?
    ok 'device auto answers on the CPU' '[ $status = 0 ]'
    ok 'and says so once' '[ "$(grep -c "on the CPU, because" "$log")" = 1 ]'
fi
echo "1..$n"
exit $failed
