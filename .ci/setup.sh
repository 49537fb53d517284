# Sourced by run and test: installs what is missing and builds. Everything it says goes to stderr.
# Expects $root (the checkout). setup_build DIR [meson options…] leaves an up-to-date build tree in DIR, setup_configure one
# that meson builds as needed.

# The Debian 12 packages that building and running need; docs/dependencies.md says what each is for.
PACKAGES="gcc libc6-dev pkg-config meson ninja-build libreadline-dev libsixel-dev libstb-dev libjpeg-dev
libpng-dev libgif-dev libwebp-dev libcurl4-openssl-dev libjansson-dev libutf8proc-dev libssl-dev libcmocka-dev libzmq3-dev libmicrohttpd-dev ca-certificates"

# What ./test needs besides, to see that sources are laid out as agreed.
TEST_PACKAGES="clang-format"

# Libraries for pictures that a build does without where they are missing; tests that need them are then skipped by name.
PICTURE_PACKAGES="libtiff-dev libavif-dev libheif-dev libjxl-dev"

# What ./test all needs besides, to make packages, try them in a bare system, complete in other shells, and validate answers by schemas.
LONG_PACKAGES="python3-jsonschema dpkg-dev debootstrap man-db groff-base zsh fish python3-venv chromium chromium-driver"

# What ./test all needs besides, to build the kernels for AArch64 and run them under an emulator.
CROSS_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

say() { printf '%s\n' "$*" >&2; }

missing_packages() {
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
    done
}

# Installs those of "$@" that are missing. Elsewhere than on Debian and its kin it only says what is needed.
setup_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "phiscope: no apt-get here; these Debian packages, or your system's equivalents, are needed: $*"
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { say "phiscope: please install (as root): apt-get install $missing"; return 1; }
        as_root=sudo
    fi
    say "phiscope: installing $missing"
    $as_root apt-get update -qq >&2 || say "phiscope: apt-get update failed; trying with the lists at hand"
    # shellcheck disable=SC2086 # the list is meant to be split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
}

# setup_configure DIR [option…]: configures once.
setup_configure() {
    dir=$1
    shift
    [ ! -e "$dir/build.ninja" ] || return 0
    say "phiscope: configuring $(basename "$dir")"
    log=$(meson setup "$dir" "$root" "$@" 2>&1) || { printf '%s\n' "$log" >&2; return 1; }
}

# setup_build DIR [option…]: configures once, then builds what changed of $build_target (unset: of everything), with ninja's
# progress on stderr.
setup_build() {
    setup_configure "$@" || return 1
    case $(ninja -C "$1" -n ${build_target-} 2>&1) in
    *'no work to do'*) ;; # the usual case, a few hundredths of a second
    *) say "phiscope: building $(basename "$1")" && ninja -C "$1" ${build_target-} >&2 ;;
    esac
}
