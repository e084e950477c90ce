#!/usr/bin/env python3
"""Prints the cross-vendor table, in Markdown, from result files of `auxo bench --save`.

    bench/report.py [FILE.json ...]      default: bench/results/*.json

One row per case, one column per device; cells are GFLOP/s (GB/s where there is no arithmetic, images/s for training)
with the percentage of the device's own measured peak. Files of another format version are refused.
"""
import glob
import json
import os
import sys

FORMAT, VERSION = "auxo-bench", 1


def load(path):
    with open(path, encoding="utf-8") as file:
        root = json.load(file)
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
    return f"{text} ({share:.0f} %)" if share > 0 else text


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
    paths = sys.argv[1:] or sorted(glob.glob(os.path.join(folder, "*.json")))
    if not paths:
        sys.exit(f"no result files in {folder}; make one with: auxo bench all --device all --save FILE.json")
    columns, rows, notes = [], {}, []
    for path in paths:
        root = load(path)
        for device in root["devices"]:
            column = (device["name"], device["backend"])
            if column not in columns:
                columns.append(column)
                notes.append(f"- {device['name']}, {device['backend']}: {device['driver']}; peaks "
                             f"{device['peak_gflops']:.0f} GFLOP/s, {device['peak_gbytes']:.0f} GB/s; {root['program']}")
        for result in root["results"]:
            rows.setdefault(result["case"], {})[(result["device_name"], result["backend"])] = cell(result)
    print("| case | " + " | ".join(f"{name}, {backend}" for name, backend in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for case, cells in rows.items():
        print(f"| {case} | " + " | ".join(cells.get(column, "-") for column in columns) + " |")
    print()
    print("\n".join(notes))


if __name__ == "__main__":
    main()
