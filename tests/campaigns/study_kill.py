#!/usr/bin/env python3
"""Kills workers of studies at random moments, and looks whether a trial was lost, doubled or changed.

    tests/campaigns/study_kill.py --kills 200 [--seed 1] [--workers 3] [--program build/auxo] [--ledger ledger.json]

Each study has a method of its own and three workers. One after another, drawn at random, is killed (SIGKILL) after a
random time and another started in its place; then those that live finish. After that
- every trial that was ever seen complete is complete, with the value it had;
- each of the numbers that the same search draws on its own is complete exactly once, with the same genome, the same
  value, the same loss and the same weights, to the last bit;
- each failed trial was given back exactly once, and nothing waits or runs any more;
- `PRAGMA integrity_check` says ok, and the best model loads and is measured.
Prints the totals, adds them to the ledger if one is given, and ends with status 1 if anything was otherwise.
"""
import argparse
import datetime
import json
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMON = ("search --data glyphs --limit 150 --model autosize-mlp --max-epochs 4 --patience 4 --device cpu --threads 1 "
          "--seed 5 --json").split()
METHODS = {
    "random": "--method random --evaluations 14",
    "grid": "--method grid --evaluations 14",
    "growth": "--method growth --evaluations 8",
    "evolution": "--method evolution --evaluations 30 --population 3",
    "genetic": "--method genetic --evaluations 16 --population 5 --keep 3",
}
KILLS_A_STUDY = 12


class Campaign:
    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.random = random.Random(options.seed)
        self.references = {}
        self.faults = []
        self.totals = {"kills": 0, "studies": 0, "trials": 0, "given_back": 0, "faults": 0}

    def command(self, method, *more):
        return [self.options.program, *COMMON, *METHODS[method].split(), *more]

    def reference(self, method):
        """What the same search has on its own, by number."""
        if method not in self.references:
            done = subprocess.run(self.command(method), cwd=self.folder, stdout=subprocess.PIPE, text=True, check=True)
            events = [json.loads(line) for line in done.stdout.splitlines()]
            self.references[method] = {
                event["number"]: (event["genome"], event["quality"], event["val_loss"], event["weights"])
                for event in events if event["event"] == "evaluation"}
        return self.references[method]

    def start(self, method):
        return subprocess.Popen(self.command(method, "--study", "s.db"), cwd=self.folder, stdout=subprocess.DEVNULL,
                                stderr=open(self.folder / "errors", "a", encoding="utf-8"))

    def complete_trials(self):
        """Complete trials as they are now, by number; {} while the file is being made."""
        try:
            connection = sqlite3.connect(self.folder / "s.db", timeout=30)
            rows = connection.execute("SELECT number, value FROM trials JOIN trial_values USING (trial_id) "
                                      "WHERE state = 'COMPLETE'").fetchall()
            connection.close()
        except sqlite3.OperationalError:
            return {}
        return dict(rows)

    def kill_workers(self, method, seen):
        workers = [self.start(method) for _ in range(self.options.workers)]
        for _ in range(KILLS_A_STUDY):
            time.sleep(self.random.uniform(0.01, 0.25))
            place = self.random.randrange(len(workers))
            victim = workers[place]
            if victim.poll() is None:
                victim.kill()
                self.totals["kills"] += victim.wait() == -signal.SIGKILL
            elif victim.returncode != 0:
                self.fault(f"a worker ended with {victim.returncode}")
            workers[place] = self.start(method)
            if self.random.random() < 0.3:
                seen.update(self.complete_trials())
        for worker in workers:
            if worker.wait(timeout=300) != 0:
                self.fault(f"a worker ended with {worker.returncode}")

    def fault(self, text):
        self.faults.append(text)
        self.totals["faults"] += 1
        errors = (self.folder / "errors").read_text(encoding="utf-8").strip().splitlines()
        print(f"FAULT: {text}; last words: {errors[-1:]}", flush=True)

    def check(self, method, seen):
        connection = sqlite3.connect(self.folder / "s.db")
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            self.fault(f"{method}: the database is damaged")
        trials = connection.execute("SELECT trial_id, number, state, value FROM trials LEFT JOIN trial_values "
                                    "USING (trial_id) ORDER BY number").fetchall()
        attributes = {}
        for table in ("user", "system"):
            for trial, key, value in connection.execute(
                    f"SELECT trial_id, key, value_json FROM trial_{table}_attributes"):
                attributes.setdefault(trial, {})[key] = json.loads(value)
        connection.close()
        numbers = [trial[1] for trial in trials]
        if numbers != list(range(len(trials))):
            self.fault(f"{method}: the numbers of trials are {numbers}")
        complete = {number: value for _, number, state, value in trials if state == "COMPLETE"}
        for number, value in seen.items():
            if complete.get(number) != value:
                self.fault(f"{method}: trial {number} was complete with {value} and is {complete.get(number)}")
        found = {}
        for trial, _, state, value in trials:
            if state != "COMPLETE":
                continue
            own = attributes[trial]
            draw = own["auxo:draw"]
            if draw in found:
                self.fault(f"{method}: number {draw} is complete twice")
            found[draw] = (own["genome"], value, own["loss"], own["weights"])
        if found != self.reference(method):
            wrong = {n for n in set(found) | set(self.reference(method)) if found.get(n) != self.reference(method).get(n)}
            self.fault(f"{method}: numbers {sorted(wrong)} are not those of the search on its own")
        failed = [number for _, number, state, _ in trials if state == "FAIL"]
        repeated = sorted(own["failed_trial"] for own in attributes.values() if "failed_trial" in own)
        if failed != repeated:
            self.fault(f"{method}: trials {failed} failed, {repeated} were given back")
        if any(state in ("RUNNING", "WAITING") for _, _, state, _ in trials):
            self.fault(f"{method}: trials wait or run though all workers have ended")
        self.totals["trials"] += len(complete)
        self.totals["given_back"] += len(failed)

    def check_best(self, method):
        for words in (["study", "best", "s.db", "--save", "best.safetensors"],
                      ["eval", "best.safetensors", "--limit", "150", "--device", "cpu"]):
            done = subprocess.run([self.options.program, *words], cwd=self.folder, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                self.fault(f"{method}: {' '.join(words)}: {done.stderr.strip()}")

    def one_study(self, method):
        seen = {}
        self.reference(method)
        (self.folder / "errors").write_text("", encoding="utf-8")
        self.kill_workers(method, seen)
        self.check(method, seen)
        self.check_best(method)
        self.totals["studies"] += 1
        for left in sorted(self.folder.glob("s.db*"), reverse=True):
            if left.is_dir():
                for model in left.iterdir():
                    model.unlink()
                left.rmdir()
            else:
                left.unlink()

    def run(self):
        while self.totals["kills"] < self.options.kills and len(self.faults) < 10:
            method = list(METHODS)[self.totals["studies"] % len(METHODS)]
            self.one_study(method)


def add_to_ledger(path, totals):
    path = pathlib.Path(path)
    ledger = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entry = ledger.setdefault("study_kills", {"rounds": 0})
    entry["rounds"] += 1
    entry["date"] = datetime.date.today().isoformat()
    for key, value in totals.items():
        entry[key] = entry.get(key, 0) + value
    path.write_text(json.dumps(ledger, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--program", default=str(ROOT / "build" / "auxo"))
    parser.add_argument("--ledger")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(options, folder)
        campaign.run()
    totals = campaign.totals
    print(f"study kills: {totals['kills']} kills over {totals['studies']} studies of {options.workers} workers: "
          f"{totals['trials']} trials complete, {totals['given_back']} given back, {totals['faults']} faults")
    if options.ledger:
        add_to_ledger(options.ledger, totals)
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
