#!/usr/bin/env python3
"""Runs `auxo verify`, all operations, on every driver that can be had for a processor, and prints a table.

    tests/campaigns/drivers.py [--folder DRIVERS] [--only pocl,intel] [--quick] [--program build/auxo]

Drivers: own (cpu), PoCL and llvmpipe as the system has them; rusticl on llvmpipe and clover's other half from Debian's
mesa-opencl-icd, unpacked into the folder and not installed, so that no other program sees it; Intel's runtime for
processors from PyPI (intel-opencl-rt) in a virtual environment of the folder; oclgrind's interpreter (--quick only: it
takes minutes for a case). What cannot be had is SKIPPED and said. Ends with status 1 if a case failed.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def vendor_folder(folder, name, library):
    """A folder of one ICD file, so that the loader sees that driver alone."""
    made = folder / f"icd-{name}"
    made.mkdir(parents=True, exist_ok=True)
    (made / f"{name}.icd").write_text(str(library) + "\n")
    return {"OCL_ICD_VENDORS": str(made)}


def call(words, **more):
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **more).returncode == 0


def own(_folder):
    return "cpu", {}, []


def pocl(_folder):
    icd = pathlib.Path("/etc/OpenCL/vendors/pocl.icd")
    return ("opencl:0", {"OCL_ICD_VENDORS": str(icd)}, []) if icd.exists() else None


def llvmpipe(_folder):
    return "vulkan", {}, []


def rusticl(folder):
    library = folder / "mesa" / LIBRARIES / "libRusticlOpenCL.so.1"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        call(["apt-get", "download", "mesa-opencl-icd"], cwd=folder)
        for package in folder.glob("mesa-opencl-icd_*.deb"):
            call(["dpkg", "-x", str(package), str(folder / "mesa")])
    if not library.exists():
        return None
    return "opencl:0", dict(vendor_folder(folder, "rusticl", library), RUSTICL_ENABLE="llvmpipe",
                            LD_LIBRARY_PATH=str(folder / "mesa" / LIBRARIES)), []


def intel(folder):
    library = folder / "intel/lib/libintelocl.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        call([sys.executable, "-m", "venv", str(folder / "intel")])
        call([str(folder / "intel/bin/pip"), "install", "-q", "intel-opencl-rt"])
    if not library.exists():
        return None
    return "opencl:0", dict(vendor_folder(folder, "intel", library), LD_LIBRARY_PATH=str(library.parent)), []


def oclgrind(_folder):
    return ("opencl:0", {}, ["oclgrind"]) if call(["oclgrind", "--version"]) else None


DRIVERS = {"own": own, "pocl": pocl, "llvmpipe": llvmpipe, "rusticl": rusticl, "intel": intel, "oclgrind": oclgrind}


def verify(name, options):
    """One row of the table; None: the driver is not to be had."""
    found = DRIVERS[name](options.folder)
    if not found:
        print(f"{name}: SKIPPED, it is not here and could not be fetched", flush=True)
        return None
    device, environment, prefix = found
    quick = ["--quick"] if options.quick or name == "oclgrind" else []
    command = prefix + [str(options.program.resolve()), "verify", "--device", device, "--json", *quick]
    cache = options.folder / f"cache-{name}"
    libraries = [environment.pop("LD_LIBRARY_PATH", ""), os.environ.get("LD_LIBRARY_PATH", "")]
    whole = dict(os.environ, **environment, AUXO_CACHE_DIR=str(cache), LD_LIBRARY_PATH=":".join(filter(None, libraries)))
    done = subprocess.run(command, env=whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    failures = [e for e in events if e["event"] == "failure"]
    verdicts = [e for e in events if e["event"] == "verdict"]
    listed = subprocess.run([*prefix, str(options.program.resolve()), "devices", "--json"], env=whole, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    devices = [json.loads(line) for line in listed.stdout.splitlines() if line.startswith('{"event":"device"')]
    shown = next((d for d in devices if d.get("selector", "").startswith(device)), {})
    passed = int(sum(e["passed"] for e in verdicts))
    words = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    print(f"{name} ({device}): {passed} cases passed, {len(failures)} failed, status {done.returncode} {words}", flush=True)
    for failure in failures[:options.show]:
        print(f"   {failure['op']} {failure['variant']}: {failure['case']}: {failure['message']}")
    return name, device, shown.get("driver", "?"), passed, len(failures), done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/drivers")
    parser.add_argument("--only", default=",".join(DRIVERS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--show", type=int, default=20, help="failures of each driver that are shown")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/auxo")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    rows = [row for row in (verify(name, options) for name in options.only.split(",")) if row]
    print("| driver | device | version | cases | failed |\n| --- | --- | --- | ---: | ---: |")
    for name, device, driver, passed, failed, _ in rows:
        print(f"| {name} | {device} | {driver} | {passed} | {failed} |")
    return 1 if any(row[4] or row[5] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
