#!/bin/sh
# tests/doors.sh FOLDER [PROGRAM_FOLDER]: round trips with the current packages of PyPI: torch and torchvision (weights), onnx
# and onnxruntime (networks, out, in, and out again), scikit-learn, scikit-survival, numpy and pandas (the Python package).
# Writes FOLDER/doors.md, as bench/results/doors.md keeps it.
#
# The short form of the same, with Debian's packages, is in tests/run.sh. Needs a build (default: build/) and PyPI, once:
# the packages, 6 GB, stay in FOLDER.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:?usage: tests/doors.sh FOLDER [PROGRAM_FOLDER]}"
folder=$(cd "$1" && pwd)
build=$(cd "${2:-$root/build}" && pwd)
python="$folder/venv/bin/python"
[ -x "$python" ] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch torchvision onnx onnxruntime onnxscript numpy scikit-learn scikit-survival pandas \
    tqdm cffi setuptools
export AUXO_PROGRAM="$build/auxo" AUXO_REQUIRE_SKSURV=1 AUXO_TEST_DEVICES="${AUXO_TEST_DEVICES:-cpu}" PYTHONWARNINGS=ignore
log="$folder/doors.log" table="$folder/doors.md"
: >"$log"
versions() {
    "$python" - <<'END'
import importlib.metadata as metadata
names = ["torch", "torchvision", "onnx", "onnxruntime", "scikit-learn", "scikit-survival", "numpy", "pandas"]
print(", ".join(f"{name} {metadata.version(name).split('+')[0]}" for name in names))
END
}
# trip TITLE PATTERN COMMAND...: a row of the table from the lines of its output with that pattern; ends all if it fails.
trip() {
    title="$1" pattern="$2"
    shift 2
    begin=$(date +%s)
    "$@" >"$folder/trip.log" 2>&1 || { cat "$folder/trip.log"; echo "$title: failed" >&2; exit 1; }
    cat "$folder/trip.log" >>"$log"
    found=$(grep -E "$pattern" "$folder/trip.log" | sed 's/^onnx round trip: //' | paste -s -d '@' | sed 's/@/; /g')
    echo "| $title | $found | $(($(date +%s) - begin)) |" >>"$table"
}
cat >"$table" <<END
# Doors: round trips with other programs

\`tests/doors.sh FOLDER\` with the packages that PyPI had: $(versions). Outputs are compared by the largest
difference over the largest value; 1e-5 is allowed. Seconds are of one run on a machine with other work.

| what | found | seconds |
|---|---|---:|
END
trip "state dicts of torchvision into \`--weights\`" "largest difference" \
    "$python" "$root/tests/torch_weights.py" "$build/libauxo.so"
trip "networks out to ONNX and back; PyTorch's into Auxo and out again" "onnx round trip: [^S]" \
    "$python" "$root/tests/onnx_round_trip.py" --program "$build/auxo" --torch "$python"
"$python" "$root/tests/python/run.py" "$folder/package" "$build/libauxo.so" build >>"$log" 2>&1
for name in data model estimators; do
    case $name in
    data) title="arrays and tables of numpy and pandas, in and out" ;;
    model) title="models from Python, ONNX among it" ;;
    estimators) title="scikit-learn (check_estimator, pipelines, searches) and scikit-survival" ;;
    esac
    trip "$title" "^Ran |^OK" "$python" "$root/tests/python/run.py" "$folder/package" "$build/libauxo.so" "$name"
done
cat "$table"
