#!/bin/sh
# tests/sid.sh FOLDER [keep|build|verify|test|train|audit]...: what Debian 12's Vulkan drivers do not have. A Debian sid in
# FOLDER/sid, whose Mesa has VK_KHR_cooperative_matrix, builds the sources of this working tree and runs, as asked for or
# all in this order:
#
#   keep     remakes shaders/vulkan/kept/ with sid's glslang, where it is no longer what the sources are (not by default)
#   build    everything, with warnings as errors, and with cooperative matrices as llvmpipe's choice for f16, which in the
#            tuning data shipped they are not: it multiplies by plain arithmetic
#   verify   every operation against the reference on llvmpipe, by every variant of its kernels
#   test     all tests, with Vulkan as the device to test (AUXO_SID_TESTS: those whose names match)
#   train    lenet5 and resnet18 in f16, every product and convolution by cooperative matrices; 100 losses of lenet5 as the
#            cpu has them in f32
#   audit    every Vulkan kernel in f16 and bf16 by sid's RADV, without hardware, for the GPUs of AUXO_SID_GPUS (navi31,
#            which is gfx1100, and gfx1201): none used by default spills
#
# verify, test and train run under sid's validation layer, with synchronisation validation on. Needs root and, where
# FOLDER/sid is not there yet, a mirror (DEBIAN_MIRROR, else deb.debian.org) and debootstrap, which is installed where it
# is missing. FOLDER takes 3 GB and is kept, so that a second run is short.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/setup.sh"
. "$root/tests/support/bare.sh"
folder=${1:?usage: tests/sid.sh FOLDER [keep|build|verify|test|train|audit]...}
shift
[ "$(id -u)" -eq 0 ] || fail "tests/sid.sh needs root: it makes a system of its own and works in it"
# The mounts below are this script's own, and go with it.
[ -n "${AUXO_SID_MOUNTS:-}" ] || AUXO_SID_MOUNTS=own exec unshare --mount "$0" "$folder" "$@"
mkdir -p "$folder"
system=$(cd "$folder" && pwd)/sid
vulkan="VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_VALIDATE_SYNC=1"
vulkan="$vulkan VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json"

step "Debian sid in $system"
install_packages debootstrap
bare "$system" sid
mount -t proc proc "$system/proc"
mount -t tmpfs tmpfs "$system/tmp"
for device in null zero full random urandom; do
    [ -c "$system/dev/$device" ] || { touch "$system/dev/$device" && mount --bind "/dev/$device" "$system/dev/$device"; }
done
mkdir -p "$system/dev/shm" && mount -t tmpfs tmpfs "$system/dev/shm"
inside "$system" "apt-get install -q -y --no-install-recommends build-essential ccache cmake ninja-build pkg-config git \
    catch2 libcjson-dev zlib1g-dev liblzma-dev librandom123-dev libxxhash-dev libsqlite3-dev libprotobuf-c-dev \
    protobuf-c-compiler libpng-dev libturbojpeg0-dev libwebp-dev libmatio-dev libvulkan-dev mesa-vulkan-drivers \
    mesa-drm-shim vulkan-validationlayers glslang-tools spirv-tools python3 >/dev/null
    dpkg-query -W mesa-vulkan-drivers vulkan-validationlayers glslang-tools libvulkan1 gcc"

# The working tree as it is, with its times, so that only what changed is built again.
mkdir -p "$system/auxo"
git -C "$root" -c core.quotePath=false ls-files --cached --others --exclude-standard | sort -u >"$system/auxo.files"
(cd "$root" && while read -r file; do [ -e "$file" ] && echo "$file"; done <"$system/auxo.files" >"$system/auxo.list")
tar -C "$root" -c -T "$system/auxo.list" | tar -x -C "$system/auxo"
(cd "$system/auxo" && find . -path ./build -prune -o -type f -print | sed 's,^\./,,' | sort |
    comm -23 - "$system/auxo.list" | xargs -r rm -f)

keep() {
    step "SPIR-V of the cooperative shaders by sid's glslang"
    inside "$system" "cd /auxo && cmake -DGLSLANG=/usr/bin/glslangValidator -DSPIRV_VAL=/usr/bin/spirv-val \
        -P shaders/keep_spirv.cmake"
    mkdir -p "$root/shaders/vulkan/kept"
    cp "$system"/auxo/shaders/vulkan/kept/*.spv.inc "$root/shaders/vulkan/kept/"
}

build_there() {
    step "Build (release, warnings are errors)"
    # shellcheck disable=SC2016
    inside "$system" 'cd /auxo
        for op in gemm conv2d_forward conv2d_backward_data conv2d_backward_weights; do
            echo "$op any:f16 variant=cooperative" >>shaders/tuning/vulkan-llvmpipe.tune
        done
        cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DAUXO_WERROR=ON -DAUXO_TESTS=ON -DAUXO_OPENCL=OFF \
            -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache >build.log 2>&1 ||
            { tail -30 build.log; exit 1; }
        grep "Auxo backends" build.log
        ! grep "kept SPIR-V is embedded" build.log
        cmake --build build -j '"$(nproc)"' >build.log 2>&1 ||
            { grep -E -A 8 "FAILED|error|warning" build.log | head -60; exit 1; }'
}

verify() {
    step "Every operation against the reference (llvmpipe, validation layer)"
    inside "$system" "cd /auxo && $vulkan build/auxo verify --device vulkan:0 >/verify.log 2>&1 ||
        { tail -40 /verify.log; exit 1; }
        grep cooperative /verify.log; tail -1 /verify.log"
}

run_tests() {
    step "Tests (cpu and llvmpipe, validation layer)"
    inside "$system" "cd /auxo && $vulkan AUXO_REQUIRE_DEVICES=cpu,vulkan AUXO_TEST_DEVICES=vulkan:0 \
        ctest --test-dir build -j $(nproc) -R '${AUXO_SID_TESTS:-.}' --timeout 3600 --output-on-failure >/test.log 2>&1 ||
        { tail -60 /test.log; exit 1; }
        tail -5 /test.log"
}

# train_there NAME ARGUMENT...: trains; the events lie in /NAME.json of the system.
train_there() {
    name=$1
    shift
    inside "$system" "cd /auxo && $vulkan build/auxo train --data glyphs --seed 3 --json $* >/$name.json 2>/$name.log ||
        { tail -5 /$name.log; exit 1; }"
}

train() {
    step "Training in f16 by cooperative matrices (llvmpipe, validation layer)"
    lenet5="--model lenet5 --optimizer sgd:lr=0.01 --batch 32 --steps 100 --limit 4000"
    train_there cpu "$lenet5" --device cpu
    train_there lenet5 "$lenet5" --device vulkan:0 --precision f16 --explain
    train_there resnet18 --model resnet18 --optimizer sgd:lr=0.01 --batch 4 --steps 3 --limit 40 --device vulkan:0 \
        --precision f16 --explain
    python3 "$root/tests/support/sid_losses.py" "$system"
}

audit() {
    for gpu in ${AUXO_SID_GPUS:-navi31 gfx1201}; do
        for precision in f16 bf16; do
            step "Vulkan kernels in $precision by sid's RADV for $gpu"
            inside "$system" "cd /auxo && LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libamdgpu_noop_drm_shim.so \
                VK_DRIVER_FILES=/usr/share/vulkan/icd.d/radeon_icd.json AMDGPU_GPU_ID=$gpu build/auxo bench audit \
                --device vulkan:0 --precision $precision --json >/audit-$gpu-$precision.json" ||
                fail "a kernel does not compile for $gpu, or one used by default spills: $system/audit-$gpu-$precision.json"
            python3 "$root/tests/support/sid_audit.py" "$system/audit-$gpu-$precision.json"
        done
    done
}

[ $# -gt 0 ] || set -- build verify test train audit
for part in "$@"; do
    case $part in
    keep | verify | train | audit) "$part" ;;
    build) build_there ;;
    test) run_tests ;;
    *) fail "tests/sid.sh: there is no part \"$part\": keep, build, verify, test, train and audit are" ;;
    esac
done
