#!/usr/bin/env python3
"""Kills runs of the program at random moments, resumes them, and compares what they end with, bit by bit.

    tests/campaigns/kill.py --kills 200 --device cpu [--seed 1] [--program build/auxo] [--ledger ledger.json]

Methods take turns. A run is killed (SIGKILL) right after the n-th event that it prints, n drawn anew for each kill, and
resumed from its checkpoint, or begun anew if it was killed before the first one; up to three kills on its way. A run
that cannot go on is "lost"; one whose saved model is not the uninterrupted run's, byte for byte, is a "mismatch".
Prints the totals, adds them to the ledger if one is given, and ends with status 1 if anything was lost or differs.
"""
import argparse
import datetime
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
METHODS = {
    "train": "train --data glyphs --limit 300 --model mlp:784-16-10 --epochs 4 --checkpoint-every 3",
    "autosize": "autosize --data glyphs --limit 200 --model mlp:784-6-6-10 --dynamic-epochs 3 --static-epochs 3",
    "morph": "morph --data glyphs --limit 200 --model conv:4-4 --epochs 1 --iterations 2",
    "adapt": "adapt --data glyphs --limit 200 --model conv:3-4:3:2 --batch 16 --cycles 8 --rest 0 --growth-drive 1",
    "search": "search --data glyphs --limit 60 --method evolution --population 3 --evaluations 7 --batch 32",
    "multiscale train": "multiscale train --data reactor --limit 400 --iterations 30 --epochs 2 --checkpoint-every 3",
    "survival train": "survival train --data survival-sim --limit 300 --epochs 20 --checkpoint-every 3",
}
RUNS_MAX = 50  # of one model, before it counts as lost


class Campaign:
    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.random = random.Random(options.seed)
        self.references = {}  # by method: the model's bytes, and how many events its run prints
        self.totals = {"kills": 0, "with_checkpoint": 0, "lost": 0, "mismatches": 0}

    def command(self, method, name):
        words = METHODS[method].split() + ["--device", self.options.device, "--json", "--seed", "7"]
        files = ["--checkpoint", f"{name}.checkpoint", "--save", f"{name}.safetensors"]
        return [str(self.options.program)] + words + files

    def reference(self, method):
        if method not in self.references:
            done = subprocess.run(self.command(method, "reference"), cwd=self.folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                sys.exit(f"{method}: the uninterrupted run failed: {done.stderr.strip()}")
            saved = self.folder / "reference.safetensors"
            self.references[method] = (saved.read_bytes(), len(done.stdout.splitlines()))
            for left in self.folder.glob("reference*"):
                left.unlink()
        return self.references[method]

    def run_until(self, command, event):
        """Kills the run right after its event-th event (None: never). Returns (killed, exit status, last words)."""
        with open(self.folder / "errors", "w+") as errors:
            run = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=errors, text=True)
            for number, _ in enumerate(run.stdout, 1):
                if number == event:
                    run.kill()
                    break
            run.stdout.close()
            status = run.wait()
            errors.seek(0)
            return status == -signal.SIGKILL, status, errors.read().strip()

    def one_model(self, method):
        wanted, events = self.reference(method)
        command, killed_times, finished, words = self.command(method, "victim"), 0, False, ""
        for run_number in range(RUNS_MAX):
            more = killed_times < 3 and self.totals["kills"] < self.options.kills
            resumed = command + (["--resume"] if run_number else [])
            killed, status, words = self.run_until(resumed, self.random.randint(1, events) if more else None)
            killed_times += killed
            self.totals["kills"] += killed
            self.totals["with_checkpoint"] += killed and (self.folder / "victim.checkpoint").exists()
            if not killed:
                finished = status == 0
                break
        if not finished:
            self.totals["lost"] += 1
            print(f"lost: {method} after {killed_times} kills: {words}")
        elif (self.folder / "victim.safetensors").read_bytes() != wanted:
            self.totals["mismatches"] += 1
            print(f"mismatch: {method} after {killed_times} kills")
        for left in self.folder.glob("victim*"):
            left.unlink()


def add_to_ledger(path, device, totals):
    path = pathlib.Path(path)
    ledger = json.loads(path.read_text()) if path.exists() else {"totals": {}, "runs": []}
    run = dict(date=datetime.date.today().isoformat(), device=device, **totals)
    ledger["runs"].append(run)
    total = ledger["totals"].setdefault(device, dict.fromkeys(totals, 0))
    for key, value in totals.items():
        total[key] += value
    path.write_text(json.dumps(ledger, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of them, separated by commas")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/auxo")
    parser.add_argument("--ledger", help="JSON file to which the totals are added")
    options = parser.parse_args()
    options.program = options.program.resolve()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(options, folder)
        methods = options.methods.split(",")
        turn = 0
        while campaign.totals["kills"] < options.kills:
            campaign.one_model(methods[turn % len(methods)])
            turn += 1
    totals = campaign.totals
    print(f"{options.device}: {totals['kills']} kills in {turn} runs, {totals['with_checkpoint']} of them past the first "
          f"checkpoint, {totals['lost']} lost, "
          f"{totals['mismatches']} mismatches")
    if options.ledger:
        add_to_ledger(options.ledger, options.device, totals)
    return 1 if totals["lost"] or totals["mismatches"] else 0


if __name__ == "__main__":
    sys.exit(main())
