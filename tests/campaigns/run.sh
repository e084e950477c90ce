#!/bin/sh
# tests/campaigns/run.sh: the long searches for faults, on cpu, opencl and vulkan, with new seeds each round.
#
#   tests/campaigns/run.sh             one short round (what tests/run.sh runs)
#   tests/campaigns/run.sh --hours N   rounds until N hours have passed; kills and inputs are added to ledger.json
#
# Needs a build in build/, and for the readers of foreign bytes one in build-fuzz/ (tests/fuzz/CMakeLists.txt). Without
# the latter, python3-torch or a driver, what needs it says SKIPPED, and the rest runs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${AUXO_PYTHON:-/usr/bin/python3}
hours=0
case "${1:-}" in
"") ;;
--hours) hours=${2:?--hours needs a number} ;;
*)
    echo "usage: $0 [--hours N]" >&2
    exit 2
    ;;
esac

# differential DEVICE CASES SEED
differential() {
    status=0
    "$python" "$here/differential.py" --device "$1" --cases "$2" --seed "$3" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ]
}

# kills DEVICE KILLS SEED [OPTION...]
kills() {
    device=$1 count=$2 seed=$3
    shift 3
    "$python" "$here/kill.py" --device "$device" --kills "$count" --seed "$seed" "$@"
}

# fuzz OPTION...
fuzz() {
    if [ -e "$here/../../build-fuzz/tests/fuzz/fuzz_csv" ]; then
        "$python" "$here/fuzz.py" "$@"
    else
        echo "fuzz: SKIPPED, build-fuzz is not built"
    fi
}

# State dicts of PyTorch into the library.
weights() {
    status=0
    "$python" "$here/../torch_weights.py" "$here/../../build/libauxo.so" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ]
}

# Ranks on machines of their own, which are network namespaces.
machines() {
    status=0
    "$python" "$here/mpi_machines.py" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ]
}

if [ "$hours" = 0 ]; then
    # A minute of one thread, beside what mostly waits for processes.
    "$python" "$here/memory.py" --minutes 1 --warm-up 0.4 --interval 0.5 &
    memory=$!
    trap 'kill "$memory" 2>/dev/null || true' EXIT
    weights
    differential cpu 200 1
    differential opencl 90 1
    differential vulkan 36 1
    kills cpu 20 1
    kills opencl 7 1 --methods "train,multiscale train,survival train"
    kills vulkan 3 1 --methods "multiscale train,survival train"
    "$python" "$here/study_kill.py" --kills 48
    machines
    "$python" "$here/power_loss.py" --states 100 --resumes 3
    "$python" "$here/failing.py" --every -20
    "$python" "$here/manifest.py" --cases 100
    # The first inputs of one seed: a machine that is faster does not come to others.
    fuzz --seconds 3 --inputs 100000 --seed 1 --jobs "$(nproc)"
    wait "$memory"
    exit 0
fi

end=$(($(date +%s) + hours * 3600))
seed=$(date +%s)
"$python" "$here/drivers.py"
"$python" "$here/failing.py"
while [ "$(date +%s)" -lt "$end" ]; do
    for device in cpu opencl vulkan; do
        differential "$device" 500 "$seed"
    done
    kills cpu 100 "$seed" --ledger "$here/ledger.json"
    kills opencl 20 "$seed" --ledger "$here/ledger.json"
    kills vulkan 5 "$seed" --ledger "$here/ledger.json" --methods "multiscale train,survival train"
    "$python" "$here/study_kill.py" --kills 1000 --seed "$seed" --ledger "$here/ledger.json"
    "$python" "$here/power_loss.py" --states 5000 --seed "$seed"
    "$python" "$here/memory.py" --minutes 120
    "$python" "$here/manifest.py" --cases 5000 --seed "$seed"
    fuzz --seconds 120 --inputs 100000000 --ledger "$here/ledger.json"
    seed=$((seed + 1))
done
