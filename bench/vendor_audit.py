#!/usr/bin/env python3
"""Compiles every OpenCL kernel source for Intel GPUs without having one (ocloc) and reports spilled registers.

    bench/vendor_audit.py [--device tgllp,dg2] [--only NOUN,...] [--options NOUN="-D..."]

Sources are flattened as shaders/embed_text.cmake does it. Sources whose options are chosen at run time need them given
by --options; without, they are listed as skipped. Exit status 1 if a kernel spills or does not compile.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SHADERS = pathlib.Path(__file__).resolve().parent.parent / "shaders" / "opencl"
INCLUDE = re.compile(r'#include "([a-z0-9_]+\.clh)"')
MISSING_OPTION = re.compile(r"use of undeclared identifier '([A-Z_]+)'")
SPILL = re.compile(r"kernel (\w+) .*spilled around (\d+)")


def flatten(path, seen):
    def expand(match):
        name = match.group(1)
        if name in seen:
            return ""
        seen.add(name)
        return flatten(path.parent / name, seen)
    return INCLUDE.sub(expand, path.read_text(encoding="utf-8"))


def audit(path, device, options, folder):
    flat = pathlib.Path(folder) / path.name
    flat.write_text(flatten(path, set()), encoding="utf-8")
    command = ["ocloc", "compile", "-file", str(flat), "-device", device, "-out_dir", folder, "-options",
               f"-cl-std=CL1.2 {options}".strip()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    text = done.stdout + done.stderr
    if done.returncode != 0:
        errors = [line for line in text.splitlines() if "error" in line]
        if errors and MISSING_OPTION.search(errors[0]):
            return "skipped", "needs --options " + path.stem + "=-D" + MISSING_OPTION.search(errors[0]).group(1) + "=..."
        return "FAILED", errors[0].split("error:")[-1].strip() if errors else "no message"
    spills = SPILL.findall(text)
    if spills:
        return "SPILLS", ", ".join(f"{kernel}: {count}" for kernel, count in spills)
    return "ok", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="tgllp,dg2", help="ocloc's names, separated by commas")
    parser.add_argument("--only", default="", help="these sources only")
    parser.add_argument("--options", action="append", default=[], metavar="NOUN=OPTIONS")
    arguments = parser.parse_args()
    if not shutil.which("ocloc"):
        sys.exit("ocloc is not installed (package intel-opencl-icd or intel-ocloc)")
    options = dict(item.split("=", 1) for item in arguments.options)
    only = [noun for noun in arguments.only.split(",") if noun]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(SHADERS.glob("*.cl")):
            if only and path.stem not in only:
                continue
            for device in arguments.device.split(","):
                verdict, detail = audit(path, device, options.get(path.stem, ""), folder)
                bad += verdict in ("FAILED", "SPILLS")
                print(f"{path.stem:28} {device:8} {verdict:7} {detail}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
