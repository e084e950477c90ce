#!/usr/bin/env python3
"""Two ranks under mpirun against one process, in alternating pairs, and more ranks with the same rows for each.

    bench/scale.py [--program build/auxo] [--data DIR] [--pairs 5] [--minutes 20] [--cases trials,lenet5,resnet18,weak]

The machine may be shared: during every run the share of the processors that others used is taken from /proc/stat and
the run's own times; a pair in which that was more than --foreign (0.1) is not counted, and waits for a quieter moment.
Prints a line for every pair, and the median, least and largest ratio of each case; --save writes all of it as JSON.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
MPIRUN = ["mpirun", "--oversubscribe", "--allow-run-as-root", "-n"]
PAIRS = {
    # Trials per second of the whole command, start and end included.
    "trials": ("search --data glyphs --limit 3000 --model autosize-mlp --max-epochs 12 --patience 12 --method random "
               "--evaluations 24 --seed 5 --study {study}", "trials"),
    "lenet5 batch 128": ("train --data fashion-mnist --limit 12800 --model lenet5 --optimizer sgd --lr 0.01 --batch 128 "
                         "--epochs 4", "rows"),
    "lenet5 batch 512": ("train --data fashion-mnist --limit 12800 --model lenet5 --optimizer sgd --lr 0.01 --batch 512 "
                         "--epochs 4", "rows"),
    "resnet18 batch 32": ("train --data cifar-10 --limit 320 --model resnet18 --optimizer sgd --lr 0.01 --batch 32 "
                          "--steps 10", "rows"),
    "resnet18 batch 32 synchronised": ("train --data cifar-10 --limit 320 --model resnet18 --optimizer sgd --lr 0.01 "
                                       "--batch 32 --steps 10 --sync-batch-norm", "rows"),
}


def busy_seconds():
    """Of all processors together, since the system began."""
    fields = [int(word) for word in open("/proc/stat").readline().split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.ends = time.monotonic() + 60 * options.minutes
        self.results = {}

    def run(self, words, ranks, kind):
        """The rate, and the share of the processors that others used meanwhile."""
        study = os.path.join(self.folder, "s.db")
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        command = [self.options.program, *words.format(study=study).split(), "--device", "cpu", "--threads", "1", "--json"]
        if ranks > 1:
            command = [*MPIRUN, str(ranks), *command]
        busy, own, began = busy_seconds(), own_seconds(), time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        seconds = time.monotonic() - began
        foreign = max(busy_seconds() - busy - (own_seconds() - own), 0) / seconds / os.cpu_count()
        result = json.loads(done.stdout.splitlines()[-1])
        rate = result["images_per_second"] if kind == "rows" else float(re.search(r"--evaluations (\d+)", words)[1]) / seconds
        return rate, foreign

    def wait_for_quiet(self):
        while time.monotonic() < self.ends:
            busy, began = busy_seconds(), time.monotonic()
            time.sleep(1)
            if (busy_seconds() - busy) / (time.monotonic() - began) / os.cpu_count() < self.options.foreign:
                return

    def pairs(self, name):
        words, kind = PAIRS[name]
        kept, dropped = [], 0
        while len(kept) < self.options.pairs and time.monotonic() < self.ends:
            self.wait_for_quiet()
            one, foreign_one = self.run(words, 1, kind)
            two, foreign_two = self.run(words, 2, kind)
            good = max(foreign_one, foreign_two) <= self.options.foreign
            dropped += not good
            print(f"{name}: {one:.2f} {two:.2f} per second, ratio {two / one:.3f}, others {foreign_one:.0%} "
                  f"{foreign_two:.0%}{'' if good else ': not counted'}", flush=True)
            if good:
                kept.append((one, two))
        ratios = [two / one for one, two in kept] or [float("nan")]
        self.results[name] = {"command": words, "pairs": kept, "not_counted": dropped}
        print(f"== {name}: median ratio {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}, "
              f"{len(kept)} pairs, {dropped} not counted", flush=True)

    def weak(self):
        """Seconds a step of lenet5 with the same rows for each rank: with 1 row, the step is mostly the exchange."""
        for rows in (1, 64):
            for ranks in (1, 2, 4, 8):
                rates = []
                while len(rates) < 3 and time.monotonic() < self.ends:
                    self.wait_for_quiet()
                    words = (f"train --data fashion-mnist --limit {rows * ranks * 50} --model lenet5 --optimizer sgd "
                             f"--lr 0.01 --batch {rows * ranks} --epochs 2")
                    rate, foreign = self.run(words, ranks, "rows")
                    if foreign <= self.options.foreign:
                        rates.append(rows * ranks / rate)
                if rates:
                    print(f"== weak: {rows} rows for each of {ranks} ranks: {1e3 * statistics.median(rates):.3f} ms a step, "
                          f"{1e3 * min(rates):.3f} to {1e3 * max(rates):.3f}", flush=True)
                self.results[f"weak {rows} {ranks}"] = rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build" / "auxo"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--foreign", type=float, default=0.1)
    parser.add_argument("--cases", default="trials,lenet5,resnet18,weak")
    parser.add_argument("--save")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        for case in options.cases.split(","):
            if case == "weak":
                bench.weak()
            for name in PAIRS:
                if name.startswith(case):
                    bench.pairs(name)
    if options.save:
        pathlib.Path(options.save).write_text(json.dumps(bench.results, indent=1) + "\n")


if __name__ == "__main__":
    main()
