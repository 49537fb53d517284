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
command -v debootstrap >/dev/null || skip "no debootstrap"
[ "$(id -u)" = 0 ] || skip "not root"

# The mirror is the one this system uses.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | head -n 1)
[ -n "$mirror" ] || skip "no package mirror configured"

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
        skip "debootstrap failed, see $work/debootstrap.log"
fi
# The root reaches packages the way this system does.
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
rm -f "$root/etc/apt/sources.list"
cp -r /etc/apt/apt.conf.d /etc/apt/sources.list.d "$root/etc/apt/"
[ ! -e /etc/apt/sources.list ] || cp /etc/apt/sources.list "$root/etc/apt/"
cp -r /usr/share/keyrings/. "$root/usr/share/keyrings/"
cp -r /usr/local/share/ca-certificates "$root/usr/local/share/" 2>/dev/null || true
cp -r /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true

rm -rf "$root/home/phiscope"
git clone -q --no-hardlinks "$here" "$root/home/phiscope"
for fs in proc sys dev; do mountpoint -q "$root/$fs" || mount --rbind "/$fs" "$root/$fs"; done
trap 'for fs in proc sys dev; do umount -l "$root/$fs" 2>/dev/null || true; done' EXIT

in_root() { chroot "$root" /bin/sh -c "cd /home/phiscope && $1"; }

answer=$(in_root './run ask -i samples/book-cover.jpg "Help me get the title and author information of this book?"')
printf 'answer: %s\n' "$answer"
[ -n "$answer" ] && echo "ok 1 - ./run ask answers on a bare system" || { echo "not ok 1 - no answer"; exit 1; }
printf ':load samples/chart.png\nCould you please introduce this stock to me?\n:quit\n' >"$root/home/phiscope/newcomer.phi"
in_root './run <newcomer.phi' && echo "ok 2 - the REPL's lines run" || { echo "not ok 2 - the REPL failed"; exit 1; }
rm "$root/home/phiscope/newcomer.phi"
in_root './test' && echo "ok 3 - ./test passes" || { echo "not ok 3 - ./test failed"; exit 1; }
echo "1..3"
