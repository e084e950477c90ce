# tests/support/bare.sh: sourced by tests/packages.sh and tests/sid.sh: bare Debian systems in folders. Expects $root.

# inside SYSTEM COMMAND: as root of that system.
inside() {
    chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        PIP_CERT=/certificates.crt http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" sh -eu -c "$2"
}

# bare SYSTEM RELEASE: a minimal Debian with what this one knows of its mirror and certificates.
bare() {
    [ -e "$1/etc/debian_version" ] ||
        debootstrap --variant=minbase "$2" "$1" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$1.log" 2>&1 ||
        { tail -5 "$1.log"; exit 1; }
    cp -r /etc/apt/apt.conf.d/. "$1/etc/apt/apt.conf.d/" 2>/dev/null || true
    echo 'Dpkg::Use-Pty "0";' >"$1/etc/apt/apt.conf.d/quiet"
    cp "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" "$1/certificates.crt"
    inside "$1" "apt-get update -q >/dev/null"
}
