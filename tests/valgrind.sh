#!/bin/sh
# tests/valgrind.sh PHISCOPE: one REPL session under valgrind: load, ask, edit, save, open. Prints TAP.
# AVX-512 is masked because valgrind does not know it.
set -u
phiscope=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/tests/tap.sh"
command -v valgrind >/dev/null || skip_all 'no valgrind here'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/session.phi" <<END
:load $root/samples/shapes.png
What do you see?
:images
:set max_new_tokens=8
And the colours?
:edit 1 How many shapes are there?
:cells
:save $dir/session.ipynb
:open $dir/session.ipynb
:stats
:load $dir/missing.png
END
PHI3V_CPU=avx2 XDG_STATE_HOME=$dir XDG_CONFIG_HOME=$dir XDG_CACHE_HOME=$dir \
    valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
    --error-exitcode=99 "$phiscope" script "$dir/session.phi" >"$dir/out" 2>"$dir/err"
status=$?
tell() { cat "$dir/err"; }
# The last line fails on purpose, so the session ends with "an input could not be read".
[ $status = 4 ]
result $? "no error under valgrind (status $status)"
[ -s "$dir/out" ]
result $? 'the session answered'
tap_end
