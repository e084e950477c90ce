#!/usr/bin/env python3
"""Prints the cross-vendor table, in Markdown, from result files of `auxo bench --save`, or puts it into the README.

    bench/report.py [--readme README.md] [FILE.json ...]      default: bench/results/*.json

One row per case, one column per device; cells are GFLOP/s (GB/s where there is no arithmetic, images/s for training)
with the percentage of the best rate that the device itself reached, by a loop made for it or by an operation, whichever is
faster (a driver may not make vectors of a loop): of arithmetic, or of memory where that is the limit; operations whose data
stay in a cache are faster than that and say so. Files of another format version are refused. --readme replaces
what stands between the lines "<!-- bench/report.py -->" and "<!-- end of bench/report.py -->" by the main cases.
"""
import argparse
import glob
import json
import os
import sys

FORMAT, VERSION = "auxo-bench", 1
BEGIN, END = "<!-- bench/report.py -->", "<!-- end of bench/report.py -->"
MAIN_CASES = ("gemm 1024x1024x1024", "gemm f16 1024x1024x1024", "gemm bf16 1024x1024x1024", "gemm 10000x5x5",
              "conv2d_forward 3x3 64ch 32x32 batch 32", "conv2d_backward_data 3x3 64ch 32x32 batch 32",
              "conv2d_backward_weights 3x3 64ch 32x32 batch 32", "theta_eval 21 layers of 5, 10000 rows",
              "group_norm 4096x4096", "train lenet5 batch 128")


def load(path):
    with open(path, encoding="utf-8") as file:
        try:
            root = json.load(file)
        except json.JSONDecodeError as error:
            sys.exit(f"{path}: line {error.lineno}: {error.msg}")
    if root.get("format") != FORMAT:
        sys.exit(f"{path}: not a result file of \"auxo bench --save\"")
    if root.get("version") != VERSION:
        sys.exit(f"{path}: result format version {root.get('version')}; this script reads version {VERSION}")
    return root


HALF = ("f16", "bf16")
LARGE = 32e6  # bytes that no cache of a core holds


def is_plain(result):
    return not result.get("nominal") and result["unit"] != "image" and not any(h in result["case"].split() for h in HALF)


def share_of(result, best):
    """Text behind a rate; empty where there is nothing to compare with."""
    flops, memory = result["gflops"], result["gbytes"]
    if flops <= 0 and memory <= 0 or not is_plain(result):
        return ""
    if memory > best["gbytes"]:
        return " (in cache)"
    roofs = [best["gbytes"] * (flops / memory if flops > 0 else 1)] if memory > 0 else []
    if flops > 0:
        roofs.append(best["gflops"])
    roof = min(roofs)
    return f" ({100 * (flops if flops > 0 else memory) / roof:.0f} %)" if roof > 0 else ""


def cell(result, best):
    if result["unit"] == "image":
        return f"{result['rate']:.0f} images/s"
    if result["unit"] == "launch":
        return f"{1e6 * result['seconds'] / max(result['rate'] * result['seconds'], 1):.2f} us"
    text = f"{result['gflops']:.1f} GFLOP/s" if result["gflops"] > 0 else f"{result['gbytes']:.1f} GB/s"
    if result.get("nominal"):
        return f"{text} (nominal)"  # fewer operations than the formula's were done
    return text + share_of(result, best)


def raise_best(best, result):
    if not is_plain(result):
        return
    best["gflops"] = max(best["gflops"], result["gflops"])
    if 1e9 * result["gbytes"] * result["seconds"] >= LARGE:
        best["gbytes"] = max(best["gbytes"], result["gbytes"])


def collect(paths):
    """Devices with a note each, and cells by case and device. Results of one device may lie in several files."""
    devices, results, rows = {}, [], {}
    for path in paths:
        root = load(path)
        for device in root["devices"]:
            known = devices.setdefault((device["name"], device["backend"]),
                                       {**device, "program": root["program"], "date": root.get("date"),
                                        "best": {"gflops": 0, "gbytes": 0}})
            for peak in ("gflops", "gbytes"):
                known["best"][peak] = max(known["best"][peak], device["peak_" + peak])
        results += root["results"]
    for result in results:
        raise_best(devices[(result["device_name"], result["backend"])]["best"], result)
    for result in results:
        device = (result["device_name"], result["backend"])
        rows.setdefault(result["case"], {})[device] = cell(result, devices[device]["best"])
    return devices, rows


def table(devices, rows):
    lines = ["| case | " + " | ".join(f"{backend}: {name}" for name, backend in devices) + " |",
             "|---|" + "---:|" * len(devices)]
    for case, cells in rows.items():
        lines.append(f"| {case} | " + " | ".join(cells.get(device, "-") for device in devices) + " |")
    lines.append("")
    for (name, backend), device in devices.items():
        clock = f" at {device['clock_mhz']:.0f} MHz" if device.get("clock_mhz") else ""
        date = f", {device['date']}" if device.get("date") else ""
        lines.append(f"- {backend}, {name}{clock}: {device['driver']}; best rates {device['best']['gflops']:.0f} GFLOP/s, "
                     f"{device['best']['gbytes']:.0f} GB/s; {device['program']}{date}")
    return lines


def put_into(path, lines):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if BEGIN not in text or END not in text.split(BEGIN, 1)[1]:
        sys.exit(f"{path}: has no lines {BEGIN} and {END} to put the table between")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", metavar="FILE.md", help="put the main cases into this file")
    parser.add_argument("files", nargs="*", metavar="FILE.json")
    arguments = parser.parse_args()
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
    paths = arguments.files or sorted(glob.glob(os.path.join(folder, "*.json")))
    if not paths:
        sys.exit(f"no result files in {folder}; make one with: auxo bench all --device all --save FILE.json")
    devices, rows = collect(paths)
    if arguments.readme:
        put_into(arguments.readme, table(devices, {case: rows[case] for case in MAIN_CASES if case in rows}))
    else:
        print("\n".join(table(devices, rows)))


if __name__ == "__main__":
    main()
