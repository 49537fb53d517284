#!/bin/sh
# tests/valgrind.sh PHISCOPE: one REPL session under valgrind: load, ask, edit, save, open. Prints TAP.
# AVX-512 is masked because valgrind does not know it.
set -u
phiscope=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
command -v valgrind >/dev/null || { echo "1..0 # SKIP no valgrind here"; exit 0; }
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
echo "1..2"
# The last line fails on purpose, so the session ends with "an input could not be read".
if [ $status = 4 ]; then echo "ok 1 - no error under valgrind"; else
    sed 's/^/# /' "$dir/err"
    echo "not ok 1 - no error under valgrind (status $status)"
fi
if [ -s "$dir/out" ]; then echo "ok 2 - the session answered"; else echo "not ok 2 - the session answered"; fi
