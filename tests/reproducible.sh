#!/bin/sh
# tests/reproducible.sh ROOT: two builds of ROOT's HEAD, in different folders, zones and languages, give the same bytes:
# Debian packages and tarball. Prints TAP.
set -u
here=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/tests/tap.sh"
tell() { tail -n 20 "$one/log" "$two/log"; }
command -v dpkg-shlibdeps >/dev/null || skip_all 'no dpkg-dev'
git -C "$here" rev-parse HEAD >/dev/null 2>&1 || skip_all 'not a git checkout'

# build FOLDER TMPDIR: both makers of the clone in FOLDER.
build() {
    mkdir -p "$1/made" "$2"
    for make in make_deb make_tarball; do TMPDIR=$2 "$1/clone/packaging/$make" "$1/made" >>"$1/log" 2>&1 || return 1; done
}
one=$work/one two=$work/another/folder/whose/name/is/longer
for folder in "$one" "$two"; do git clone -q --no-hardlinks "$here" "$folder/clone" || exit 1; done
(umask 022 && TZ=UTC LC_ALL=C build "$one" "$work/t") && sleep 2 &&
    (umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 build "$two" "$work/temporary/files/of/the/second")
built=$?
for file in phiscope_ libphi3v-dev_ phiscope-; do
    a=$(ls "$one/made/$file"* 2>/dev/null) b=$(ls "$two/made/$file"* 2>/dev/null)
    [ "$built" = 0 ] && [ -s "$a" ] && cmp "$a" "$b" >>"$one/log"
    result $? "$file${a:+ ($(basename "$a"): $(sha256sum <"$a" | cut -c 1-16)…)}"
done
tap_end
