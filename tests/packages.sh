#!/bin/bash
# tests/packages.sh ROOT [WORK_DIR]: the Debian packages and the tarball of ROOT's HEAD, in bare systems made with debootstrap:
# they install, answer about the samples, complete, explain themselves, and leave nothing behind. Prints TAP. Packages in
# WORK_DIR are taken as they are; what was made there is used again.
set -u
here=$1
work=${2:-$(mktemp -d)}
mkdir -p "$work"
work=$(realpath "$work")
. "$(dirname -- "$0")/tap.sh"
tell() { [ ! -e "$work/out" ] || tail -n 30 "$work/out"; }

. "$here/tests/debian_root.sh"
! why=$(debian_cannot) || skip_all "$why"
command -v dpkg-shlibdeps >/dev/null || skip_all 'no dpkg-dev'
git -C "$here" rev-parse HEAD >/dev/null 2>&1 || skip_all 'not a git checkout'
roots="$work/deb $work/bare"
keep=${2-}
trap 'for root in $roots; do debian_unmount "$root"; done; [ -n "$keep" ] || rm -rf --one-file-system "$work"' EXIT

debian_root "$work/bare" || skip_all "debootstrap failed, see $work/bare.log"
debian_unmount "$work/bare"
rm -rf --one-file-system "$work/deb"
cp -a "$work/bare" "$work/deb"
for root in $roots; do debian_mount "$root" || skip_all 'nothing can be mounted here'; done

deb=$(ls "$work"/phiscope_*.deb 2>/dev/null | head -n 1)
if [ -z "$deb" ]; then
    "$here/packaging/make_deb" "$work" >"$work/out" 2>&1
    result $? 'packages are made'
    deb=$(ls "$work"/phiscope_*.deb | head -n 1)
fi
dev=$(ls "$work"/libphi3v-dev_*.deb | head -n 1)
tarball=$(ls "$work"/phiscope-*.tar.gz 2>/dev/null | head -n 1)
if [ -z "$tarball" ]; then
    "$here/packaging/make_tarball" "$work" >"$work/out" 2>&1
    result $? 'a tarball is made'
    tarball=$(ls "$work"/phiscope-*.tar.gz | head -n 1)
fi

# as_root ROOT COMMAND, as_person ROOT COMMAND
as_root() { chroot "$1" /bin/bash -c "export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8; $2" >"$work/out" 2>&1 </dev/null; }
as_person() {
    mkdir -p "$1/tmp/person" && chmod 777 "$1/tmp/person"
    chroot --userspec=nobody:nogroup "$1" /bin/bash -c "cd /tmp/person; export HOME=/tmp/person LC_ALL=C.UTF-8 TERM=xterm; $2" \
        >"$work/out" 2>&1 </dev/null
}

# answers ROOT PROGRAM SAMPLES: three questions of the README, against what the built-in model is known to say.
answers() {
    as_person "$1" "$2 ask -i $3/chart.png 'Could you please introduce this stock to me?'" && grep -q 'Solar Stock Price' "$work/out"
    result $? "$2 answers about the chart"
    as_person "$1" "$2 ask -i $3/book-cover.jpg 'Help me get the title and author information of this book?'" &&
        known=$(sed -n 's/^ *"answer": "\(The title[^"\\]*\).*/\1/p' "$here/samples/own_answers.json" | head -n 1) &&
        [ -n "$known" ] && grep -qF "$known" "$work/out"
    result $? "$2 answers about the book"
    as_person "$1" "$2 ask -i $3/compare-1.jpg -i $3/compare-2.jpg.webp 'What is difference in this two images?'" && [ -s "$work/out" ]
    result $? "$2 answers about two pictures"
    as_person "$1" "printf ':load $3/chart.png\nWhich bar is the highest?\n' | $2" && grep -q '64 for Tue' "$work/out"
    result $? "$2 reads a notebook's lines"
}

# What is there before and after. Logs and caches of apt, dpkg, ldconfig and man stay Debian's.
list() {
    find "$work/deb" -xdev \( -path '*/var/log' -o -path '*/var/cache' -o -path '*/var/lib/dpkg' -o -path '*/var/lib/apt' -o \
        -path "$work/deb/tmp" \) -prune -o -print | sort
}

# -- The package ------------------------------------------------------------------------------

depends=$(dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/,/ /g')
as_root "$work/deb" "apt-get update -qq && apt-get install -y -qq --no-install-recommends $depends man-db groff-base bash-completion"
result $? 'what it depends on is in Debian 12'
list >"$work/before"
cp "$deb" "$dev" "$work/deb/tmp/"
as_root "$work/deb" "apt-get install -y --no-install-recommends /tmp/$(basename "$deb") /tmp/$(basename "$dev")"
result $? 'the packages install'
answers "$work/deb" phiscope /usr/share/doc/phiscope/samples
as_person "$work/deb" "phiscope version" && grep -q "^phiscope $(dpkg-deb -f "$deb" Version)$" "$work/out"
result $? 'the program and the package have the same version'
as_person "$work/deb" "phiscope doctor"
result $? 'doctor finds nothing wrong'
as_person "$work/deb" "man phiscope | cat" && grep -q '^EXIT STATUS' "$work/out"
result $? 'man phiscope'
as_person "$work/deb" '. /usr/share/bash-completion/bash_completion; _completion_loader phiscope
    COMP_WORDS=(phiscope dev) COMP_CWORD=1; _phiscope phiscope 2>/dev/null; echo "<${COMPREPLY[*]}>"' && grep -q '<devices>' "$work/out"
result $? 'bash completes where the package has put it'

cat >"$work/example.c" <<'EXAMPLE'
#include <phi3v.h>
#include <stdio.h>
int main(void)
{
    return puts(phi3v_version()) < 0;
}
EXAMPLE
libdir=$(dirname "$(dirname "$(find "$work/deb/usr/lib" -name phi3v.pc)")")
flags=$(PKG_CONFIG_SYSROOT_DIR="$work/deb" PKG_CONFIG_LIBDIR="$libdir/pkgconfig" pkg-config --cflags --libs phi3v) &&
    # shellcheck disable=SC2086 # a list
    cc -std=c99 -o "$work/deb/tmp/example" "$work/example.c" $flags -Wl,--allow-shlib-undefined >"$work/out" 2>&1 &&
    as_person "$work/deb" /tmp/example && grep -qx "$(dpkg-deb -f "$deb" Version)" "$work/out"
result $? 'a program compiled with pkg-config phi3v runs'

as_root "$work/deb" "dpkg --purge libphi3v-dev phiscope"
result $? 'the packages are removed'
list >"$work/after"
[ "$(wc -l <"$work/before")" -gt 1000 ] && diff "$work/before" "$work/after" >"$work/out"
result $? 'nothing of them is left'

# -- The tarball ------------------------------------------------------------------------------

name=$(basename "$tarball" .tar.gz)
mkdir -p "$work/bare/tmp/anywhere"
tar -xzf "$tarball" -C "$work/bare/tmp/anywhere"
as_root "$work/bare" "ldd /tmp/anywhere/$name/bin/phiscope" && ! grep -q 'not found' "$work/out"
result $? 'the tarball lacks no library in a bare system'
answers "$work/bare" "/tmp/anywhere/$name/bin/phiscope" "/tmp/anywhere/$name/share/samples"
tap_end
