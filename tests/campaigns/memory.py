#!/usr/bin/env python3
"""Trains for hours, reads the resident memory of the process, and draws it.

    tests/campaigns/memory.py --minutes 120 [--warm-up 10] [--device cpu] [--svg memory.svg] [--csv memory.csv]

The growth is the slope of a line through all readings after the warm-up (least squares); more than 1 MiB an hour, or a
run that ends by itself, is status 1. Below 30 minutes the slope of so short a time says little: the bound is then 1 MiB in
all, between the medians of the first and the last quarter.
"""
import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ("train --data glyphs --limit 40000 --model lenet5 --augment shift=1 --optimizer adam --epochs 1000000 --seed 1 "
       "--checkpoint-every 200 --threads 1 --json").split()
BOUND = 1.0  # MiB an hour


def resident_mib(process):
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None  # a zombie


def slope(readings):
    """MiB an hour."""
    mean_x = statistics.fmean(t for t, _ in readings)
    mean_y = statistics.fmean(m for _, m in readings)
    spread = sum((t - mean_x) ** 2 for t, _ in readings)
    return 3600 * sum((t - mean_x) * (m - mean_y) for t, m in readings) / spread


def growth(readings):
    if readings[-1][0] - readings[0][0] >= 1800:
        return slope(readings), "MiB an hour"
    quarter = max(1, len(readings) // 4)
    values = [m for _, m in readings]
    return statistics.median(values[-quarter:]) - statistics.median(values[:quarter]), "MiB in all"


def draw(path, readings, warm_up, title):
    width, height, left, top = 900, 320, 70, 40
    end = max(t for t, _ in readings)
    most = max(m for _, m in readings) * 1.15

    def x(seconds):
        return left + (width - left - 20) * seconds / end

    def y(mib):
        return height - 45 - (height - 45 - top) * mib / most
    points = " ".join(f"{x(t):.1f},{y(m):.1f}" for t, m in readings)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
             f'font-size="13">', f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<text x="{left}" y="22">{title}</text>']
    step = 10 ** len(str(int(most / 5))) / 2 if most > 10 else 2
    mark = 0.0
    while mark <= most:
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" stroke="#ddd"/>'
                     f'<text x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>')
        mark += step
    for i in range(7):
        at = end * i / 6
        parts.append(f'<text x="{x(at):.1f}" y="{height - 22}" text-anchor="middle">{at / 60:.0f}</text>')
    parts += [f'<text x="{width / 2}" y="{height - 5}" text-anchor="middle">minutes</text>',
              f'<text x="15" y="{top - 5}">MiB</text>',
              f'<line x1="{x(warm_up):.1f}" x2="{x(warm_up):.1f}" y1="{top}" y2="{height - 45}" stroke="#999" '
              f'stroke-dasharray="4"/>', f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>',
              "</svg>"]
    pathlib.Path(path).write_text("\n".join(parts) + "\n")


def report(options, readings):
    """Writes what there is so far; returns the growth and its words, or None while there are too few readings."""
    if options.csv:
        pathlib.Path(options.csv).write_text("seconds,mib\n" + "".join(f"{t:.1f},{m:.3f}\n" for t, m in readings))
    warm = [reading for reading in readings if reading[0] >= options.warm_up * 60]
    if len(warm) < 4:
        return None
    value, unit = growth(warm)
    if options.svg:
        draw(options.svg, readings, options.warm_up * 60,
             f"Resident memory of auxo {' '.join(RUN[:6])}: {value:+.3f} {unit} after the warm-up")
    return value, (f"{options.device}, {readings[-1][0] / 60:.0f} minutes: {warm[0][1]:.1f} MiB after {options.warm_up:g} "
                   f"minutes, {warm[-1][1]:.1f} MiB at the end, growth {value:+.3f} {unit}")


def watch(options, folder):
    """Readings (seconds, MiB) of one run; None if it ended by itself."""
    command = [str(options.program.resolve()), *RUN, "--device", options.device, "--checkpoint", "c.safetensors"]
    readings = []
    with open(os.path.join(folder, "errors"), "w+") as errors:
        run = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            start = time.monotonic()
            while time.monotonic() - start < options.minutes * 60 and run.poll() is None:
                time.sleep(options.interval)
                mib = resident_mib(run.pid) if run.poll() is None else None
                if mib is not None:
                    readings.append((time.monotonic() - start, mib))
                if len(readings) % 60 == 0:
                    report(options, readings)
        except BaseException:  # told to end, by a signal too
            run.kill()
            raise
        if run.poll() is not None:
            errors.seek(0)
            print(f"the run ended by itself with status {run.returncode}: {errors.read().strip()}")
            return None
        run.send_signal(signal.SIGTERM)
        run.wait()
    return readings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--warm-up", type=float, default=10, help="minutes at the beginning that do not count")
    parser.add_argument("--interval", type=float, default=5, help="seconds between two readings")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/auxo")
    parser.add_argument("--svg")
    parser.add_argument("--csv")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        readings = watch(options, folder)
    if readings is None:
        return 1
    told = report(options, readings)
    if not told:
        print("too few readings after the warm-up: more --minutes")
        return 1
    print(told[1])
    return 1 if told[0] > BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
