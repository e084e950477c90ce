# tests/support/setup.sh: sourced by tests/run.sh and bench/demo.sh: installs what is missing and builds.
# Expects $root, the top of the source tree.

# step WORDS: a heading, with the seconds and the processor's seconds of all children since the script began.
step() {
    clock=$(mktemp)
    times >"$clock"
    printf '\n== %s [%s s, processor %s]\n' "$*" "$(($(date +%s) - ${began:=$(date +%s)}))" "$(tail -n 1 "$clock")"
    rm -f "$clock"
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# What the library, the program and their drivers need on Debian 12.
build_packages="build-essential cmake ninja-build pkg-config libcjson-dev zlib1g-dev liblzma-dev libmatio-dev
    librandom123-dev libxxhash-dev libpng-dev libturbojpeg0-dev libwebp-dev ocl-icd-opencl-dev opencl-headers
    libclblast-dev pocl-opencl-icd libvulkan-dev mesa-vulkan-drivers glslang-tools spirv-tools libsqlite3-dev
    libopenmpi-dev openmpi-bin libprotobuf-c-dev protobuf-c-compiler"

# install_packages NAME...: does nothing, and needs no network, when all are installed.
install_packages() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    step "Installing with apt:$missing"
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing, and there is no sudo to install them:$missing"
        as_root="sudo"
    fi
    $as_root apt-get update -q
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends $missing
}

# build FOLDER CMAKE_ARGUMENT...: configures and builds $root/FOLDER.
build() {
    folder="$root/$1"
    shift
    cmake -S "$root" -B "$folder" -G Ninja "$@" >"$folder.log" 2>&1 ||
        { cat "$folder.log"; fail "cmake could not configure $folder"; }
    grep 'Auxo backends' "$folder.log" || true
    cmake --build "$folder" -j "$(nproc)" >"$folder.log" 2>&1 ||
        { grep -E -A 8 'FAILED|error|warning' "$folder.log" | head -80; fail "$folder does not build"; }
}
