#!/usr/bin/env python3
"""Runs `auxo verify`, all operations, on every driver that can be had for a processor, and prints a table.

    tests/campaigns/drivers.py [--folder DRIVERS] [--only pocl,intel] [--quick] [--minutes 60] [--program build/auxo]

Drivers: own (cpu), PoCL and llvmpipe as the system has them; rusticl on llvmpipe from Debian's mesa-opencl-icd, unpacked
into the folder and not installed, so that no other program sees it; Intel's runtime for processors from PyPI
(intel-opencl-rt) in a virtual environment of the folder; oclgrind's interpreter; llvmpipe, rusticl and PoCL of Debian sid,
in a system of its own (debootstrap, as root) whose loader and libraries run the program. What cannot be had is SKIPPED and
said. Operations are verified one after the other; one that has not begun when --minutes are over is left out and counted.
Ends with status 1 if a case failed.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

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
        call(["apt-get", "download", "mesa-opencl-icd", "libllvmspirvlib15"], cwd=folder)
        for package in folder.glob("*.deb"):
            call(["dpkg", "-x", str(package), str(folder / "mesa")])
    if not library.exists() or not list(pathlib.Path("/usr/lib/clc").glob("spirv*")):  # of libclc-15, at that place alone
        return None
    return "opencl:0", dict(vendor_folder(folder, "rusticl", library), RUSTICL_ENABLE="llvmpipe",
                            LD_LIBRARY_PATH=str(folder / "mesa" / LIBRARIES)), []


def intel(folder):
    library = folder / "intel/lib/libintelocl.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        call([sys.executable, "-m", "venv", str(folder / "intel")])
        call([str(folder / "intel/bin/pip"), "install", "-q", "intel-opencl-rt", "intel-cmplr-lib-rt"])
    if not library.exists():
        return None
    return "opencl:0", dict(vendor_folder(folder, "intel", library), LD_LIBRARY_PATH=str(library.parent)), []


def oclgrind(_folder):
    return ("opencl:0", {}, ["oclgrind"]) if call(["oclgrind", "--version"]) else None


SID_PACKAGES = "mesa-vulkan-drivers,libvulkan1,ocl-icd-libopencl1,mesa-opencl-icd,pocl-opencl-icd"


def sid(folder):
    """(root, words before a command that runs it under the loader and libraries of sid); None: cannot be had."""
    root = pathlib.Path(os.environ.get("AUXO_SID", folder / "sid"))
    loader = root / "usr/lib64/ld-linux-x86-64.so.2"
    if not (root / LIBRARIES / "libvulkan_lvp.so").exists():
        call(["debootstrap", "--variant=minbase", "--include=" + SID_PACKAGES, "sid", str(root),
              "http://deb.debian.org/debian"])
    if not loader.exists():
        loader = root / LIBRARIES / "ld-linux-x86-64.so.2"
    if not (root / LIBRARIES / "libvulkan_lvp.so").exists() or not loader.exists():
        return None
    libraries = [root / LIBRARIES, root / LIBRARIES / "pocl", pathlib.Path("/") / LIBRARIES,
                 pathlib.Path("/") / LIBRARIES / "hdf5/serial"]
    return root, [str(loader), "--library-path", ":".join(map(str, libraries))]


def sid_llvmpipe(folder):
    found = sid(folder)
    icds = sorted((found[0] / "usr/share/vulkan/icd.d").glob("lvp_icd*.json")) if found else []
    return ("vulkan", {"VK_ICD_FILENAMES": str(icds[0])}, found[1]) if icds else None


def sid_rusticl(folder):
    found = sid(folder)
    library = found[0] / LIBRARIES / "libRusticlOpenCL.so.1" if found else None
    if not library or not library.exists():
        return None
    return "opencl:0", dict(vendor_folder(folder, "sid-rusticl", library), RUSTICL_ENABLE="llvmpipe"), found[1]


def sid_pocl(folder):
    found = sid(folder)
    libraries = sorted((found[0] / LIBRARIES).glob("libpocl.so.2*")) if found else []
    if not libraries:
        return None
    return "opencl:0", vendor_folder(folder, "sid-pocl", libraries[0]), found[1]


DRIVERS = {"own": own, "pocl": pocl, "llvmpipe": llvmpipe, "rusticl": rusticl, "intel": intel, "oclgrind": oclgrind,
           "sid-llvmpipe": sid_llvmpipe, "sid-rusticl": sid_rusticl, "sid-pocl": sid_pocl}


def events_of(done, kind):
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == kind]


def operations(options):
    """The names of all operations, as the reference has them."""
    done = subprocess.run([str(options.program), "verify", "--device", "reference", "--quick", "--json"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return list(dict.fromkeys(verdict["op"] for verdict in events_of(done, "verdict")))


class Row:
    """What one driver did."""

    def __init__(self, name, device):
        self.name, self.device, self.driver = name, device, "?"
        self.passed = self.failed = self.skipped = self.left_out = self.broken = 0
        self.seconds = 0.0

    def __str__(self):
        rest = f" | {self.left_out} of the operations left out" if self.left_out else " | "
        return (f"| {self.name} | {self.driver} | {self.passed + self.failed} | {self.passed} | {self.failed} | "
                f"{self.skipped} | {self.seconds:.0f}{rest}|")


def verify_op(row, command, environment, op, options):
    begin = time.monotonic()
    try:
        done = subprocess.run(command + ["--op", op], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors="replace", check=False, timeout=options.op_minutes * 60)
    except subprocess.TimeoutExpired:
        row.left_out += 1
        print(f"   {row.name}: {op}: not at its end after {options.op_minutes:g} minutes", flush=True)
        return
    finally:
        row.seconds += time.monotonic() - begin
    failures, verdicts = events_of(done, "failure"), events_of(done, "verdict")
    row.passed += int(sum(verdict["passed"] for verdict in verdicts))
    row.skipped += int(sum(verdict["unsupported"] for verdict in verdicts))
    row.failed += len(failures)
    for failure in failures[:options.show]:
        print(f"   {row.name}: {failure['op']} {failure['variant']}: {failure['case']}: {failure['message']}", flush=True)
    if done.returncode and not failures:
        row.broken += 1
        print(f"   {row.name}: {op}: status {done.returncode}: {done.stderr.strip()[-300:]}", flush=True)


def verify(name, options, ops):
    """One row of the table; None: the driver is not to be had."""
    found = DRIVERS[name](options.folder)
    if not found:
        print(f"{name}: SKIPPED, it is not here and could not be fetched", flush=True)
        return None
    device, environment, prefix = found
    row = Row(name, device)
    command = prefix + [str(options.program), "verify", "--device", device, "--json"]
    command += ["--quick"] if options.quick else []
    libraries = [environment.pop("LD_LIBRARY_PATH", ""), os.environ.get("LD_LIBRARY_PATH", "")]
    whole = dict(os.environ, **environment, AUXO_CACHE_DIR=str(options.folder / f"cache-{name}"))
    if any(libraries):
        whole["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
    listed = subprocess.run([*prefix, str(options.program), "devices", "--json"], env=whole, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    row.driver = next((d.get("driver", "?") for d in events_of(listed, "device")
                       if d.get("selector", "").startswith(device)), None)
    if not row.driver:
        print(f"{name}: SKIPPED, its driver shows no device: {listed.stdout.strip()[-300:]}", flush=True)
        return None
    for op in ops:
        if row.seconds > options.minutes * 60:
            row.left_out += 1
        else:
            verify_op(row, command, whole, op, options)
    print(row, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/drivers")
    parser.add_argument("--only", default=",".join(DRIVERS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=60, help="after which no operation of a driver is begun")
    parser.add_argument("--op-minutes", type=float, default=30, help="after which one operation is given up")
    parser.add_argument("--show", type=int, default=20, help="failures of each operation that are shown")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/auxo")
    options = parser.parse_args()
    options.folder, options.program = options.folder.resolve(), options.program.resolve()
    ops = operations(options)
    rows = [row for row in (verify(name, options, ops) for name in options.only.split(",")) if row]
    print("| driver | version | cases | passed | failed | skipped | seconds | |\n"
          "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for row in rows:
        print(row)
    return 1 if any(row.failed or row.broken for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
