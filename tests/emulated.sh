#!/bin/sh
# tests/emulated.sh FOLDER [CMAKE_ARGUMENT...]: the cpu backend's kernels for AVX-512, AVX512-BF16 and AMX against the
# reference, on any x86 with AVX2: their intrinsics are loops (support/emulated/). Slow, and says nothing of speed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:?usage: tests/emulated.sh FOLDER [CMAKE_ARGUMENT...]}"
folder=$(cd "$1" && pwd)
shift
{ cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DAUXO_EMULATE_AVX512=ON -DAUXO_OPENCL=OFF \
    -DAUXO_VULKAN=OFF -DAUXO_TESTS=OFF "$@" && cmake --build "$folder" -j "$(nproc)" --target auxo_program; } \
    >"$folder.log" 2>&1 || { tail -40 "$folder.log"; exit 1; }
for variant in avx512 avx512_bf16 amx_bf16; do
    "$folder/auxo" verify --device cpu --variant $variant >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
    grep -q '^gemm .* ok$' "$folder.log" || { cat "$folder.log"; echo "$variant was not run" >&2; exit 1; }
    echo "$variant: $(tail -n 1 "$folder.log")"
done
