#!/bin/sh
# runtime/package/build_deb.sh OUT: builds the Debian packages of the committed sources into the folder OUT.
#
# Needs what debian/control lists (apt-get build-dep, or mk-build-deps -i runtime/package/debian/control) and lintian,
# whose errors are errors here. The sources are copied: the tree stays as it is.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:?usage: runtime/package/build_deb.sh OUT}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$out/work
rm -rf "$work"
mkdir -p "$work/auxo"
git -C "$root" archive HEAD | tar -x -C "$work/auxo"
cp -r "$root/runtime/package/debian" "$work/auxo/debian"
(cd "$work/auxo" && DEB_BUILD_OPTIONS="parallel=$(nproc)" dpkg-buildpackage -us -uc -b) >"$work/build.log" 2>&1 ||
    { tail -40 "$work/build.log"; exit 1; }
cp "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$out"
rm -rf "$work"
lintian --fail-on error "$out"/*.deb
