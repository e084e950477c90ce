#!/bin/sh
# tests/static.sh FOLDER [CMAKE_ARGUMENT...]: builds the static library in FOLDER, installs it, moves what was installed, and
# uses it from pkg-config and from CMake as a stranger would: the C example of the README, and a program that has every
# part linked in: devices, readers of pictures, ONNX, studies.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:?usage: tests/static.sh FOLDER [CMAKE_ARGUMENT...]}"
folder=$(cd "$1" && pwd)
shift
cmake -S "$root" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DAUXO_TESTS=OFF \
    -DAUXO_BENCH=OFF "$@" >"$folder/build.log" 2>&1 || { tail -20 "$folder/build.log"; exit 1; }
cmake --build "$folder/build" -j "$(nproc)" >"$folder/build.log" 2>&1 || { tail -40 "$folder/build.log"; exit 1; }
rm -rf "$folder/installed" "$folder/moved" "$folder/use"
cmake --install "$folder/build" --prefix "$folder/installed" >/dev/null
mv "$folder/installed" "$folder/moved"
mkdir "$folder/use"
cd "$folder/use"
PKG_CONFIG_PATH=$(dirname "$(find "$folder/moved" -name auxo.pc)")
export PKG_CONFIG_PATH AUXO_CACHE_DIR="$folder/cache"
sed -n '/^```c$/,/^```$/p' "$root/README.md" | sed '1d;$d' >example.c
! find "$folder/moved" -name 'libauxo*.so*' | grep . || { echo "a shared library was installed" >&2; exit 1; }
# shellcheck disable=SC2046
cc -std=c11 example.c $(pkg-config --static --cflags --libs auxo) -o by_pkg_config
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.18)
project(consumer C)
find_package(auxo 0.1 REQUIRED)
add_executable(by_cmake example.c)
target_link_libraries(by_cmake PRIVATE auxo::auxo)
END
cmake -S . -B out -DCMAKE_PREFIX_PATH="$folder/moved" >cmake.log 2>&1 || { cat cmake.log; exit 1; }
cmake --build out >cmake.log 2>&1 || { cat cmake.log; exit 1; }
for program in ./by_pkg_config out/by_cmake "$folder/moved/bin/auxo"; do
    ! ldd "$program" | grep libauxo || { echo "$program wants a shared libauxo" >&2; exit 1; }
done
./by_pkg_config >told
out/by_cmake >told_by_cmake
grep -q epoch told && grep -q epoch told_by_cmake
# A picture of one pixel in each of two classes, PNG: its reader is linked in.
for class in a b; do
    mkdir -p "pictures/$class"
    printf '%s' 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==' |
        base64 -d >"pictures/$class/1.png"
    cp "pictures/$class/1.png" "pictures/$class/2.png"
done
"$folder/moved/bin/auxo" train --data pictures --model mlp:2 --epochs 1 --device cpu --save net.safetensors >/dev/null
"$folder/moved/bin/auxo" export net.safetensors --onnx net.onnx >/dev/null
test -s net.onnx
echo "static library: used from pkg-config and CMake"
