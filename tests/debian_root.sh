# Sourced by tests that need a Debian of their own: folders with a bare system, entered with chroot.

# debian_cannot: why no such root can be made here; fails where one can.
debian_cannot() {
    command -v debootstrap >/dev/null || { echo "no debootstrap"; return 0; }
    [ "$(id -u)" = 0 ] || { echo "not root"; return 0; }
    [ -n "$(debian_mirror)" ] || { echo "no package mirror configured"; return 0; }
    return 1
}

# The mirror is the one this system uses.
debian_mirror() { apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | head -n 1; }

# debian_root FOLDER: a bare system in FOLDER, unless it is there, that reaches packages the way this one does.
debian_root() {
    if [ ! -e "$1/etc/debian_version" ]; then
        debootstrap --variant=minbase --include=ca-certificates bookworm "$1" "$(debian_mirror)" >"$1.log" 2>&1 || return 1
    fi
    cp /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || true
    cp -r /etc/apt/apt.conf.d "$1/etc/apt/"
    cp -r /usr/share/keyrings/. "$1/usr/share/keyrings/"
    cp -r /usr/local/share/ca-certificates "$1/usr/local/share/" 2>/dev/null || true
    cp -r /etc/ssl/certs "$1/etc/ssl/" 2>/dev/null || true
    rm -f "$1/etc/apt/sources.list"
    cp -r /etc/apt/sources.list.d "$1/etc/apt/"
    [ ! -e /etc/apt/sources.list ] || cp /etc/apt/sources.list "$1/etc/apt/"
}

# debian_mount FOLDER, debian_unmount FOLDER: what programs expect to be there.
debian_mount() { for fs in proc sys dev; do mountpoint -q "$1/$fs" || mount --rbind --make-rslave "/$fs" "$1/$fs" || return 1; done; }
debian_unmount() { for fs in proc sys dev; do umount -l "$1/$fs" 2>/dev/null || true; done; }
