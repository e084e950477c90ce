#!/bin/sh
# tests/packages.sh FOLDER [RELEASE...]: the Debian packages built and used where nothing else is: for each release
# (default: bookworm trixie) one bare Debian builds them, and another installs and tries them.
#
# Needs root, debootstrap (and lintian, whose errors count where it is installed) and a mirror (DEBIAN_MIRROR, else deb.debian.org); FOLDER takes about 3 GB a release and is
# kept, so that a second run is short.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:?usage: tests/packages.sh FOLDER [RELEASE...]}
shift
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# inside SYSTEM COMMAND: as root of that system.
inside() {
    chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" sh -eu -c "$2"
}

# bare SYSTEM RELEASE: a minimal Debian with what this one knows of its mirror.
bare() {
    [ -e "$1/etc/debian_version" ] && return
    debootstrap --variant=minbase "$2" "$1" "$mirror" >"$1.log" 2>&1 || { tail -5 "$1.log"; exit 1; }
    cp -r /etc/apt/apt.conf.d/. "$1/etc/apt/apt.conf.d/" 2>/dev/null || true
    inside "$1" "apt-get update -q >/dev/null"
}

try() {
    release=$1
    builder=$folder/$release-build user=$folder/$release-use
    bare "$builder" "$release"
    rm -rf "$builder/auxo" "$builder"/*.deb "$user/debs"
    mkdir -p "$builder/auxo"
    git -C "$root" archive HEAD | tar -x -C "$builder/auxo"
    cp -r "$root/runtime/package/debian" "$builder/auxo/debian"
    inside "$builder" "apt-get install -q -y --no-install-recommends build-essential dpkg-dev >/dev/null
        cd /auxo && apt-get build-dep -q -y --no-install-recommends ./ >/dev/null
        DEB_BUILD_OPTIONS=parallel=$(nproc) dpkg-buildpackage -us -uc -b >/build.log 2>&1 || { tail -30 /build.log; exit 1; }"
    ! command -v lintian >/dev/null || lintian --allow-root --fail-on error "$builder"/*_0*_*.deb
    bare "$user" "$release"
    mkdir -p "$user/debs"
    cp "$builder"/*.deb "$user/debs"
    rm -f "$user"/debs/*dbgsym*
    inside "$user" "cd /debs && apt-get install -q -y --no-install-recommends ./libauxo0*.deb ./auxo_*.deb >/dev/null
        auxo devices && auxo verify --device cpu --quick | tail -1
        auxo train --limit 2000 --epochs 1 --device cpu --save /net.safetensors | tail -1
        auxo export /net.safetensors --onnx /net.onnx
        apt-get install -q -y --no-install-recommends ./auxo-backend-*.deb ./auxo-mpi_*.deb >/dev/null && auxo devices
        apt-get install -q -y --no-install-recommends ./libauxo-dev_*.deb gcc libc6-dev pkg-config >/dev/null
        printf '%s\n' '#include <auxo/auxo.h>' '#include <stdio.h>' 'int main(void) { return puts(AUXO_VERSION) < 0; }' >/t.c
        gcc /t.c -o /t \$(pkg-config --cflags --libs auxo) && /t"
    echo "$release: built, installed and used"
}

[ $# -gt 0 ] || set -- bookworm trixie
for name in "$@"; do
    try "$name"
done
