#!/bin/sh
# tests/run.sh: builds everything with warnings as errors and runs all checks: format, static analysis, sanitizers (of
# addresses, undefined behaviour, threads), OpenCL kernels under oclgrind, kernels for other processors emulated, short campaigns, and the whole test suite on cpu, opencl and vulkan (validation layer with
# synchronisation validation on). On a Debian 12 machine it first installs what is missing. The last lines are ctest's summary.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/setup.sh"

# shellcheck disable=SC2086
install_packages $build_packages catch2 clang clang-format clang-tidy libclang-rt-14-dev oclgrind vulkan-validationlayers git \
    python3 python3-venv python3-torch python3-cffi python3-numpy python3-sklearn python3-pandas intel-opencl-icd

step "Format"
cd "$root"
find runtime backends datasets include tests bench -name '*.[ch]' -o -name '*.cpp' -o -name '*.hpp' |
    xargs clang-format --dry-run -Werror
echo "formatted"

step "Build (release, warnings are errors)"
build build -DCMAKE_BUILD_TYPE=Release -DAUXO_WERROR=ON

# round_trip SCRIPT FAULT PACKAGE...: runs it with packages of PyPI, in a folder of the build named after the script;
# without a network it is skipped, visibly.
round_trip() {
    script="$1" fault="$2" folder="build/$(basename "$1" .py)"
    shift 2
    [ -x "$folder/bin/python" ] || { python3 -m venv "$folder" && "$folder/bin/pip" install -q "$@"; } || true
    python="$folder/bin/python"
    [ -x "$python" ] || python=python3
    "$python" "$script" || [ $? -eq 77 ] || fail "$fault"
}

step "Round trip with Optuna"
round_trip tests/optuna_round_trip.py "Optuna and Auxo do not understand each other's studies" optuna

step "Round trip of networks by ONNX"
round_trip tests/onnx_round_trip.py "what other programs compute from exported networks is not the same" \
    onnx onnxruntime numpy

step "Vendor audit (AMD and Intel GPUs that need not be there: every kernel compiles, none used by default spills)"
# The oldest and newest AMD kind and Intel's Arc; AUXO_AUDIT_TARGETS=vega10,navi21,gfx1100,tgllp,dg2,pvc takes twice as long.
# What passed with the same kernels and compilers is not compiled again: bench/results/audit.known.
targets=${AUXO_AUDIT_TARGETS:-vega10,gfx1100,dg2}
bench/vendor_audit.py --program build/auxo --targets "$targets" --require "$targets" --known bench/results/audit.known ||
    fail "a kernel does not compile for these GPUs, or spills registers"

# tidy CHECKS FILE...: the checks of .clang-tidy, further narrowed.
tidy() {
    checks="$1"
    shift
    printf '%s\n' "$@" | xargs -n 8 -P "$(nproc)" clang-tidy -p build --checks="$checks" --quiet >build/tidy.log 2>/dev/null ||
        { cat build/tidy.log; fail "clang-tidy found faults"; }
    echo "$# files clean"
}

analyse_sources() {
    # What is analysed finds its faults where something changed: the files of the last commits, or with AUXO_TIDY=all,
    # or without the history, all of them.
    sources=$([ "${AUXO_TIDY:-changed}" = all ] || git log -n 40 --name-only --pretty=format: -- runtime datasets backends \
        2>/dev/null | sort -u | grep '\.c$' | xargs -r ls 2>/dev/null || true)
    [ -n "$sources" ] || sources=$(find runtime datasets backends -name '*.c')
    step "Static analysis (clang-tidy)"
    # shellcheck disable=SC2086
    tidy '-clang-analyzer-*' $sources
    # Path-sensitive analysis takes seconds a file: only where foreign bytes are read.
    tidy '' datasets/*.c runtime/base/file.c runtime/base/json.c runtime/train/archive.c runtime/train/safetensors.c \
        runtime/run/checkpoint.c runtime/run/settings.c runtime/run/settings_saved.c runtime/cli/cli_options.c
}

# build_instrumented FOLDER TARGETS CMAKE_ARGUMENT...: configures $root/FOLDER without the GPU backends and with the lines
# alone as debug information, and builds these targets of it.
build_instrumented() {
    folder="$root/$1" targets="$2"
    shift 2
    # shellcheck disable=SC2086
    { cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS_DEBUG=-O1 -g1" \
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DAUXO_OPENCL=OFF -DAUXO_VULKAN=OFF -DAUXO_BENCH=OFF "$@" &&
        cmake --build "$folder" -j "$(nproc)" --target $targets; } >"$folder.log" 2>&1 ||
        { tail -60 "$folder.log"; fail "$folder does not build"; }
}

run_sanitizers() {
    step "Address and undefined behaviour sanitizers (cpu)"
    build_instrumented build-asan all -DAUXO_SANITIZE=address,undefined
    # Not those that are big networks again and again, for numbers and sizes that the suite below looks at: other tests
    # here take the same paths on small ones (of two ranks, of a step's memory, of layers that move).
    AUXO_TEST_DEVICES=cpu ctest --test-dir build-asan -j "$(nproc)" --output-on-failure \
        -E 'with sync-batch-norm|every move is applied|ranks train to the numbers|first 100 losses of lenet5|about half the memory' \
        >build-asan.log 2>&1 ||
        { grep -B 40 -E 'ERROR: |runtime error|\*\*\*Failed|tests failed' build-asan.log | tail -150; fail "sanitizers found faults"; }
    tail -n 3 build-asan.log
}

# Tests of what runs in threads. Address space randomisation beyond what the sanitizer's runtime expects is off.
run_thread_sanitizer() {
    step "Thread sanitizer (teams, search, events, thread pool, shared files; cpu)"
    threaded="team_test search_test threads_test tuning_test run_process_test"
    build_instrumented build-tsan "auxo_program $threaded" -DAUXO_SANITIZE=thread
    AUXO_TEST_DEVICES=cpu setarch -R ctest --test-dir build-tsan -j "$(nproc)" --output-on-failure --no-tests=error \
        -R "^($(echo "$threaded" | tr ' ' '|')):" -E 'small address space' >build-tsan.log 2>&1 ||
        { grep -B 5 -A 40 -E 'WARNING: ThreadSanitizer|\*\*\*Failed|tests failed' build-tsan.log | head -150; fail "races"; }
    tail -n 3 build-tsan.log
}

# oclgrind brings its own OpenCL device and interprets every kernel: small cases only.
run_oclgrind() {
    step "OpenCL kernels under oclgrind (races, bounds)"
    oclgrind --data-races --log build/oclgrind.log build/auxo verify --device opencl --quick >build/verify.log 2>&1 ||
        { cat build/verify.log build/oclgrind.log; fail "OpenCL kernels are wrong under oclgrind"; }
    [ ! -s build/oclgrind.log ] || { head -60 build/oclgrind.log; fail "oclgrind found faults"; }
    tail -n 1 build/verify.log
}

# What this processor has, the suite runs; what it lacks is run by loops in place of its instructions.
run_emulated() {
    ! grep -q amx_bf16 /proc/cpuinfo || return 0
    step "Kernels for AVX-512, AVX512-BF16 and AMX, emulated"
    tests/emulated.sh build-emulated || fail "kernels for processors that this machine is not are wrong"
}

# AUXO_CHECKS=short leaves out the long analyses.
if [ "${AUXO_CHECKS:-all}" != short ]; then
    analyse_sources
    run_sanitizers
    run_thread_sanitizer
    run_oclgrind
    run_emulated
    step "Readers of foreign bytes, instrumented"
    CC=clang CXX=clang++ build_instrumented build-fuzz fuzz_targets -DAUXO_FUZZ=ON
fi

step "Campaigns, short (against PyTorch; killed, starved, cut off and resumed; memory; foreign bytes)"
tests/campaigns/run.sh || fail "a campaign found a fault"

step "All tests on cpu, opencl and vulkan"
export AUXO_REQUIRE_DEVICES=cpu,opencl,vulkan
export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
export VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
[ -n "${AUXO_DATA_DIR:-}" ] || echo "AUXO_DATA_DIR is not set: tests on real data are skipped"
exec ctest --test-dir build -j "$(nproc)" --output-on-failure
