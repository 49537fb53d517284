#!/bin/sh
# tests/clean-root.sh [WORK_DIR]: does what a newcomer does, in a Debian 12 with nothing installed.
# Makes a minimal root with debootstrap (root rights needed), clones the checkout's HEAD into it, runs ./run ask, the REPL from
# a pipe, and ./test there. Skips by name where debootstrap or chroot cannot be used.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work"
root=$work/root

skip() { echo "ok 1 - clean root # SKIP $1"; exit 0; }
. "$here/tests/debian_root.sh"
! why=$(debian_cannot) || skip "$why"
debian_root "$root" || skip "debootstrap failed, see $root.log"

rm -rf "$root/home/phiscope"
git clone -q --no-hardlinks "$here" "$root/home/phiscope"
trap 'debian_unmount "$root"' EXIT
debian_mount "$root" || skip "nothing can be mounted here"

in_root() { chroot "$root" /bin/sh -c "cd /home/phiscope && $1"; }

answer=$(in_root './run ask -i samples/book-cover.jpg "Help me get the title and author information of this book?"')
printf 'answer: %s\n' "$answer"
[ -n "$answer" ] && echo "ok 1 - ./run ask answers on a bare system" || { echo "not ok 1 - no answer"; exit 1; }
printf ':load samples/chart.png\nCould you please introduce this stock to me?\n:quit\n' >"$root/home/phiscope/newcomer.phi"
in_root './run <newcomer.phi' && echo "ok 2 - the REPL's lines run" || { echo "not ok 2 - the REPL failed"; exit 1; }
rm "$root/home/phiscope/newcomer.phi"
in_root './test' && echo "ok 3 - ./test passes" || { echo "not ok 3 - ./test failed"; exit 1; }
echo "1..3"
