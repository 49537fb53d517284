#!/bin/sh
# tests/clean-root.sh [WORK_DIR]: does what a newcomer does, in a Debian 12 with nothing installed.
# Makes a minimal root with debootstrap (root rights needed), clones the checkout's HEAD into it, runs ./run ask, the REPL from
# a pipe, and ./test there. Prints TAP; skips where debootstrap or chroot cannot be used.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work"
root=$work/root

. "$here/tests/tap.sh"
. "$here/tests/debian_root.sh"
! why=$(debian_cannot) || skip_all "$why"
debian_root "$root" || skip_all "debootstrap failed, see $root.log"

rm -rf "$root/home/phiscope"
git clone -q --no-hardlinks "$here" "$root/home/phiscope" || exit 1
trap 'debian_unmount "$root"' EXIT
debian_mount "$root" || skip_all "nothing can be mounted here"

in_root() { chroot "$root" /bin/sh -c "cd /home/phiscope && $1"; }

answer=$(in_root './run ask -i samples/book-cover.jpg "Help me get the title and author information of this book?"') && [ -n "$answer" ]
result $? "./run ask answers on a bare system: $answer"
printf ':load samples/chart.png\nCould you please introduce this stock to me?\n:quit\n' >"$root/home/phiscope/newcomer.phi"
in_root './run <newcomer.phi' >&2
result $? "the REPL's lines run"
rm "$root/home/phiscope/newcomer.phi"
in_root './test' >&2
result $? './test passes'
tap_end
