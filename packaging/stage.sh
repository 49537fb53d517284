# Sourced by make_deb and make_tarball: builds a commit and installs it below a folder, the same bytes each time.
# Expects $root (a git checkout). Everything it says goes to stderr.

# stage WORK [meson options…]: builds HEAD in the folder WORK and installs it below WORK/root. What the working tree has
# besides does not count. Sets $version.
stage() {
    work=$1
    shift
    umask 022
    SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
    export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
    mkdir -p "$work/source"
    git -C "$root" archive HEAD | tar -x -C "$work/source"
    version=$(sed -n "s/^ *version: '\(.*\)',$/\1/p;" "$work/source/meson.build" | head -n 1)
    # Debian's flags, but for the paths of this build.
    flags="-O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffile-prefix-map=$work/source=."
    CFLAGS=$flags LDFLAGS=-Wl,-z,relro,-z,now meson setup "$work/source/build" "$work/source" --buildtype=plain -Dtests=false \
        -Dcuda=disabled -Dstrip=true -Db_ndebug=false -Db_pie=true "$@" >&2
    ninja -C "$work/source/build" >&2
    DESTDIR=$work/root meson install -C "$work/source/build" --no-rebuild >&2
    find "$work/root" -name '*.a' -delete
}

# same_times FOLDER: all files get the commit's time.
same_times() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }
