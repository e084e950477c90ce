#!/usr/bin/env python3
"""Two ranks under mpirun against one process, in alternating pairs, and more ranks with the same rows for each.

    bench/scale.py [--program build/auxo] [--data DIR] [--pairs 5] [--minutes 20] [--cases trials,lenet5,resnet18,weak]

The machine may be shared: of every run it is told which share of the processor time it asked for it got (a thread for
each rank, which waits for the others awake). A pair in which that was less than --got (0.9) is not counted.
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
# Not bound: on a shared machine a processor may be taken. Ranks that are told to share processors give them away while
# they wait, which costs much where others are at work too.
MPIRUN = ["mpirun", "--allow-run-as-root", "--bind-to", "none"]
PAIRS = {
    # Trials per second of the whole command, start and end included.
    "trials": ("search --data glyphs --limit 3000 --model autosize-mlp --max-epochs 30 --patience 30 --method random "
               "--evaluations 128 --seed 5 --study {study}", "trials"),
    "lenet5 batch 128": ("train --data fashion-mnist --limit 12800 --model lenet5 --optimizer sgd --lr 0.01 --batch 128 "
                         "--epochs 4", "rows"),
    "lenet5 batch 512": ("train --data fashion-mnist --limit 12800 --model lenet5 --optimizer sgd --lr 0.01 --batch 512 "
                         "--epochs 4", "rows"),
    "resnet18 batch 32": ("train --data cifar-10 --limit 320 --model resnet18 --optimizer sgd --lr 0.01 --batch 32 "
                          "--steps 10", "rows"),
    "resnet18 batch 128": ("train --data cifar-10 --limit 640 --model resnet18 --optimizer sgd --lr 0.01 --batch 128 "
                           "--steps 4", "rows"),
    "resnet18 batch 32 synchronised": ("train --data cifar-10 --limit 320 --model resnet18 --optimizer sgd --lr 0.01 "
                                       "--batch 32 --steps 10 --sync-batch-norm", "rows"),
}


def own_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.ends = time.monotonic() + 60 * options.minutes
        self.results = {}

    def run(self, words, ranks, kind):
        """The rate, and the share of the processor time that was had of what was asked for."""
        study = os.path.join(self.folder, "s.db")
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        command = [self.options.program, *words.format(study=study).split(), "--device", "cpu", "--threads", "1", "--json"]
        if ranks > 1:
            crowd = ["--oversubscribe"] if ranks > os.cpu_count() else []
            command = [*MPIRUN, *crowd, "-n", str(ranks), *command]
        own, began = own_seconds(), time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        seconds = time.monotonic() - began
        got = (own_seconds() - own) / seconds / min(ranks, os.cpu_count())
        result = json.loads(done.stdout.splitlines()[-1])
        rate = result["images_per_second"] if kind == "rows" else float(re.search(r"--evaluations (\d+)", words)[1]) / seconds
        return rate, got

    def pairs(self, name):
        words, kind = PAIRS[name]
        kept, dropped = [], 0
        while len(kept) < self.options.pairs and time.monotonic() < self.ends:
            one, got_one = self.run(words, 1, kind)
            two, got_two = self.run(words, 2, kind)
            good = min(got_one, got_two) >= self.options.got
            dropped += not good
            print(f"{name}: {one:.2f} {two:.2f} per second, ratio {two / one:.3f}, got {got_one:.0%} "
                  f"{got_two:.0%}{'' if good else ': not counted'}", flush=True)
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
                    words = (f"train --data fashion-mnist --limit {rows * ranks * 50} --model lenet5 --optimizer sgd "
                             f"--lr 0.01 --batch {rows * ranks} --epochs 2")
                    rate, got = self.run(words, ranks, "rows")
                    if got >= self.options.got:
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
    parser.add_argument("--got", type=float, default=0.9)
    parser.add_argument("--cases", default="trials,lenet5,resnet18,weak")
    parser.add_argument("--folder", help="where the study lies (default: with temporary files)")
    parser.add_argument("--save")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
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
