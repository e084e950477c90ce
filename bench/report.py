#!/usr/bin/env python3
"""Prints the cross-vendor table, in Markdown, from result files of `auxo bench --save`, or puts it into the README.

    bench/report.py [--readme README.md] [FILE.json ...]      default: bench/results/*.json

One row per case, one column per device; cells are GFLOP/s (GB/s where there is no arithmetic, images/s for training)
with the percentage of the device's own measured peak. Files of another format version are refused. --readme replaces
what stands between the lines "<!-- bench/report.py -->" and "<!-- end of bench/report.py -->" by the main cases.
"""
import argparse
import glob
import json
import os
import sys

FORMAT, VERSION = "auxo-bench", 1
BEGIN, END = "<!-- bench/report.py -->", "<!-- end of bench/report.py -->"
MAIN_CASES = ("gemm 1024x1024x1024", "gemm 10000x5x5", "conv2d_forward 3x3 64ch 32x32 batch 32",
              "conv2d_backward_data 3x3 64ch 32x32 batch 32", "conv2d_backward_weights 3x3 64ch 32x32 batch 32",
              "theta_eval 21 layers of 5, 10000 rows", "group_norm 4096x4096", "train lenet5 batch 128")


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


def cell(result):
    if result["unit"] == "image":
        return f"{result['rate']:.0f} images/s"
    if result["unit"] == "launch":
        return f"{1e6 * result['seconds'] / max(result['rate'] * result['seconds'], 1):.2f} us"
    text = f"{result['gflops']:.1f} GFLOP/s" if result["gflops"] > 0 else f"{result['gbytes']:.1f} GB/s"
    share = result["percent_of_peak"]
    if result.get("nominal"):
        return f"{text} (nominal)"  # fewer operations than the formula's were done
    return f"{text} ({share:.0f} %)" if share > 0 else text


def collect(paths):
    """Devices with a note each, and cells by case and device. Results of one device may lie in several files."""
    devices, rows = {}, {}
    for path in paths:
        root = load(path)
        for device in root["devices"]:
            known = devices.setdefault((device["name"], device["backend"]),
                                       {**device, "program": root["program"], "date": root.get("date")})
            for peak in ("peak_gflops", "peak_gbytes"):
                known[peak] = max(known[peak], device[peak])
        for result in root["results"]:
            rows.setdefault(result["case"], {})[(result["device_name"], result["backend"])] = cell(result)
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
        lines.append(f"- {backend}, {name}{clock}: {device['driver']}; measured peaks {device['peak_gflops']:.0f} GFLOP/s, "
                     f"{device['peak_gbytes']:.0f} GB/s; {device['program']}{date}")
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
