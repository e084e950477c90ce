#!/bin/sh
# bench/demo.sh: what Auxo does, in under five minutes on two cores: builds, lists the devices, trains lenet5 for the same
# steps on every backend, and prints one table. Uses Fashion-MNIST where it is found (AUXO_DATA_DIR, ~/.cache/auxo), else
# generated digits. On a Debian 12 machine it first installs what is missing.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/setup.sh"
steps=100

# shellcheck disable=SC2086
install_packages $build_packages

step "Build"
build build-demo -DCMAKE_BUILD_TYPE=Release -DAUXO_TESTS=OFF -DAUXO_BENCH=OFF
auxo="$root/build-demo/auxo"

step "Devices"
"$auxo" devices

data=glyphs
"$auxo" data list --json | grep '"name":"fashion-mnist"' | grep -q '"present":true' && data=fashion-mnist

# field NAME: the value of that field in the JSON lines of standard input.
field() {
    sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'
}

step "lenet5 on $data: $steps steps of 128 images on every backend"
results="$root/build-demo/demo.txt"
: >"$results"
for backend in cpu opencl vulkan; do
    device=$("$auxo" devices --json | grep '"backend":"'"$backend"'"' | head -n 1 | field selector)
    [ -n "$device" ] || { echo "$backend: no device"; continue; }
    "$auxo" train --data "$data" --model lenet5 --device "$device" --steps "$steps" --log-every "$steps" --json \
        >"$results.run" || fail "training on $device failed"
    # Timing every op slows a run down: the shares come from a short one of their own.
    "$auxo" train --data "$data" --model lenet5 --device "$device" --steps 10 --limit 1280 --profile --json \
        >"$results.profile" || fail "profiling on $device failed"
    result=$(grep '"event":"result"' "$results.run")
    top=$(grep '"event":"result"' "$results.profile" | sed -n 's/.*"top_ops":"\([^"]*\)".*/\1/p')
    printf '%s|%s|%s|%s|%s|%s\n' "$device" "$(grep '"event":"step"' "$results.run" | tail -n 1 | field loss)" \
        "$(echo "$result" | field test_accuracy)" "$(echo "$result" | field images_per_second)" \
        "$(echo "$result" | field host_fallbacks)" "$top" >>"$results"
    echo "$device: done"
done

echo
awk -F '|' -v steps="$steps" '
    BEGIN { printf "%-12s %18s %14s %12s %15s  %s\n", "DEVICE", "LOSS AT STEP " steps, "TEST ACCURACY", "IMAGES/S",
                   "HOST FALLBACKS", "MOST TIME IN" }
    { printf "%-12s %18.5f %12.2f %% %12.0f %15d  %s\n", $1, $2, 100 * $3, $4, $5, $6 }' "$results"
