#!/bin/sh
# tests/fuzz/libraries.sh [FOLDER]: fuzz targets on instrumented libraries. Fetches Debian's sources of the libraries that read
# foreign bytes for Auxo (zlib, liblzma, libpng, libjpeg-turbo, libwebp, matio), builds them with clang's coverage and the
# sanitizer of addresses into FOLDER/prefix, and the targets that use them on top into FOLDER/build:
#   tests/campaigns/fuzz.py --build FOLDER/build --only image,packed,mat,numpy --seconds 600
# FOLDER: build-fuzz-libraries. The system's list of packages is left alone.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/build-fuzz-libraries}
mkdir -p "$folder/sources" "$folder/lists/partial" "$folder/prefix"
folder=$(cd "$folder" && pwd)
prefix=$folder/prefix
jobs=$(nproc)
export CC=clang CXX=clang++
flags="-O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"

# apt WORDS...: apt-get on a list of its own.
. /etc/os-release
echo "deb-src http://deb.debian.org/debian ${VERSION_CODENAME:-bookworm} main" >"$folder/sources.list"
apt() {
    apt-get -q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State::lists="$folder/lists" -o APT::Sandbox::User=root "$@"
}

# source_of PACKAGE: the folder of its sources.
source_of() {
    find "$folder/sources" -mindepth 1 -maxdepth 1 -type d -name "$1-*" | head -1
}

fetch() {
    [ -n "$(source_of zlib)" ] || apt update
    for package in zlib xz-utils libpng1.6 libjpeg-turbo libwebp libmatio; do
        [ -n "$(source_of "$package")" ] || (cd "$folder/sources" && apt source "$package") ||
            echo "libraries.sh: SKIPPED, the sources of $package cannot be had; the system's library is taken"
    done
}

# configured PACKAGE OPTION...: a package with a configure script.
configured() {
    [ -n "$(source_of "$1")" ] || return 0
    cd "$(source_of "$1")"
    shift
    [ -x configure ] || ./autogen.sh
    CFLAGS="$flags" CPPFLAGS="-I$prefix/include" LDFLAGS="-fsanitize=address -L$prefix/lib" \
        ./configure --prefix="$prefix" "$@"
    make -j "$jobs"
    make install
}

# with_cmake PACKAGE OPTION...
with_cmake() {
    cmake -S "$(source_of "$1")" -B "$folder/made-$1" -G Ninja -DCMAKE_BUILD_TYPE=None "-DCMAKE_C_FLAGS=$flags" \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR="$prefix/lib" -DCMAKE_PREFIX_PATH="$prefix" "$@"
    cmake --build "$folder/made-$1" -j "$jobs" --target install
}

# Leaks of the libraries' own configure programs are not looked for.
export ASAN_OPTIONS=detect_leaks=0
fetch
[ -e "$prefix/lib/libz.a" ] || (configured zlib --static)
[ -e "$prefix/lib/liblzma.a" ] ||
    (configured xz-utils --disable-shared --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo \
        --disable-scripts --disable-doc --disable-nls)
[ -e "$prefix/lib/libpng16.a" ] || (configured libpng1.6 --disable-shared --disable-tools)
[ -e "$prefix/lib/libturbojpeg.a" ] || with_cmake libjpeg-turbo -DENABLE_SHARED=OFF -DWITH_SIMD=OFF
[ -e "$prefix/lib/libwebp.a" ] ||
    with_cmake libwebp -DBUILD_SHARED_LIBS=OFF -DWEBP_BUILD_ANIM_UTILS=OFF -DWEBP_BUILD_CWEBP=OFF -DWEBP_BUILD_DWEBP=OFF \
        -DWEBP_BUILD_GIF2WEBP=OFF -DWEBP_BUILD_IMG2WEBP=OFF -DWEBP_BUILD_VWEBP=OFF -DWEBP_BUILD_WEBPINFO=OFF \
        -DWEBP_BUILD_WEBPMUX=OFF -DWEBP_BUILD_EXTRAS=OFF
# Without HDF5, which is a library of its own: files of MATLAB 5.
[ -e "$prefix/lib/libmatio.a" ] ||
    (configured libmatio --disable-shared --with-hdf5=no --disable-mat73 --with-zlib="$prefix")

cmake -S "$root" -B "$folder/build" -G Ninja -DAUXO_FUZZ=ON -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS=-O1 -g1" \
    "-DCMAKE_CXX_FLAGS=-O1 -g1" -DAUXO_OPENCL=OFF -DAUXO_VULKAN=OFF -DAUXO_BENCH=OFF -DAUXO_MPI=OFF \
    -DCMAKE_EXE_LINKER_FLAGS=-fsanitize=address -DCMAKE_PREFIX_PATH="$prefix" -DZLIB_ROOT="$prefix" -DZLIB_LIBRARY="$prefix/lib/libz.a" \
    -DLIBLZMA_LIBRARY="$prefix/lib/liblzma.a" -DPNG_LIBRARY="$prefix/lib/libpng16.a" \
    -DPNG_PNG_INCLUDE_DIR="$prefix/include" -DLIBLZMA_INCLUDE_DIR="$prefix/include"
cmake --build "$folder/build" -j "$jobs" --target fuzz_image fuzz_packed fuzz_mat fuzz_numpy
