#!/usr/bin/env python3
"""Cuts the power at every moment of a run, as far as its files can tell: what was not synced is lost, all of it or any
part, and the checkpoint must still be whole.

    tests/campaigns/power_loss.py [--states 2000] [--seed 1] [--methods train,search] [--program build/auxo]

The run's file calls are recorded (failing_calls.c) and played back on a model of a disk: data reach it with fsync of the
file, names with fsync of the folder; before that, any part may have. After every call the power fails, and the disk is
left in each of these states: nothing unsynced arrived; all names but no data; all data but no names; everything; and at
random a part of the writes (the last one cut off) with the first of the renames. In each state the checkpoint must be
absent (only before its first one was durable) or one of the whole checkpoints that were written, not older than the last
one that was durable; the saved model likewise; and the run must resume from every checkpoint that is left to the model
of the uninterrupted run. Ends with status 1 if not. The same recording without its syncs must fail: else these checks see
nothing.
"""
import argparse
import collections
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import kill

HERE = pathlib.Path(__file__).resolve().parent
WATCHED = ("victim.checkpoint", "victim.safetensors")


class File:
    """One inode: what is on the disk, and the changes since that may or may not be."""

    def __init__(self, synced=b""):
        self.synced, self.pending = synced, []  # (offset, bytes), or ("truncate", size)

    @staticmethod
    def apply(content, change):
        if change[0] == "truncate":
            return content[:change[1]].ljust(change[1], b"\0")
        offset, data = change
        return content.ljust(offset, b"\0")[:offset] + data + content[offset + len(data):]

    def content(self, changes):
        content = self.synced
        for change in changes:
            content = self.apply(content, change)
        return content


class Disk:
    def __init__(self):
        self.synced_names, self.names = {}, {}  # name: File
        self.pending_names = []                 # ("link", name, File), ("rename", old, new), ("unlink", name)

    def change_name(self, names, change):
        if change[0] == "link":
            names[change[1]] = change[2]
        elif change[0] == "rename" and change[1] in names:
            names[change[2]] = names.pop(change[1])
        elif change[0] == "unlink":
            names.pop(change[1], None)

    def do(self, words):
        kind = words[0]
        if kind == "open" and words[1] not in self.names:
            self.note(("link", words[1], File()))
        elif kind == "rename":
            self.note(("rename", words[1], words[2]))
        elif kind == "unlink":
            self.note(("unlink", words[1]))
        elif kind == "syncdir":
            self.synced_names, self.pending_names = dict(self.names), []
        elif kind in ("write", "truncate", "sync") and words[2] in self.names:
            file = self.names[words[2]]
            if kind == "write":
                file.pending.append((int(words[3]), bytes.fromhex(words[4]) if len(words) > 4 else b""))
            elif kind == "truncate":
                file.pending.append(("truncate", int(words[3])))
            else:
                file.synced, file.pending = file.content(file.pending), []
        if kind == "open" and words[3] == "1" and words[1] in self.names:
            self.names[words[1]].pending.append(("truncate", 0))

    def note(self, change):
        self.change_name(self.names, change)
        self.pending_names.append(change)

    def state(self, name_count, keep_data):
        """Contents by name after the first name_count of the pending name changes."""
        names = dict(self.synced_names)
        for change in self.pending_names[:name_count]:
            self.change_name(names, change)
        return {name: file.content(keep_data(file)) for name, file in names.items()}

    def states(self, chance, count):
        every = len(self.pending_names)
        yield self.state(0, lambda file: [])
        yield self.state(every, lambda file: [])
        yield self.state(0, lambda file: file.pending)
        yield self.state(every, lambda file: file.pending)
        for _ in range(count):
            yield self.state(chance.randint(0, every), lambda file: self.part(chance, file))

    @staticmethod
    def part(chance, file):
        kept = [change for change in file.pending if chance.random() < 0.5]
        if kept and kept[-1][0] != "truncate":
            offset, data = kept[-1]
            kept[-1] = (offset, data[:chance.randint(0, len(data))])
        return kept


class PowerLoss:
    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.random = random.Random(options.seed)
        self.campaign = kill.Campaign(argparse.Namespace(program=options.program, device="cpu", seed=1, kills=0), folder)
        self.supervisor = self.folder / "failing_calls"
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", str(HERE / "failing_calls.c"), "-o",
                        str(self.supervisor)], check=True)
        self.totals = collections.Counter()
        self.faults = []

    def record(self, method):
        work = self.folder / "work"
        work.mkdir()
        log = self.folder / "record"
        command = [str(self.supervisor), "--record", str(log), "--folder", str(work), "--"]
        done = subprocess.run(command + self.campaign.command(method, "victim"), cwd=work, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"{method}: the recorded run ended with {done.returncode}: {done.stderr}")
        shutil.rmtree(work)
        return [line.split(" ") for line in log.read_text().splitlines()]

    def play(self, method, calls):
        """All states after every call; returns the distinct checkpoints by their hash."""
        disk, versions, durable, left = Disk(), {n: [] for n in WATCHED}, {n: -1 for n in WATCHED}, {}
        each = max(1, self.options.states // max(1, len(calls)))
        for number, words in enumerate(calls):
            if words[0] == "rename" and words[2] in WATCHED:
                file = disk.names[words[1]]
                versions[words[2]].append(file.content(file.pending))
            disk.do(words)
            if words[0] == "syncdir":
                durable = {name: len(versions[name]) - 1 for name in WATCHED}
            for state in disk.states(self.random, each):
                self.totals["states"] += 1
                for name in WATCHED:
                    self.judge(method, number, name, state.get(name), versions[name], durable[name])
                if "victim.checkpoint" in state:
                    checkpoint = state["victim.checkpoint"]
                    left[hashlib.sha256(checkpoint).hexdigest()] = checkpoint
        return left

    def judge(self, method, number, name, content, versions, durable):
        if content is None:
            wrong = "is gone" if durable >= 0 else None
        elif content not in versions:
            wrong = f"is torn ({len(content)} bytes)"
        else:
            wrong = "is older than what was durable" if max(
                i for i, v in enumerate(versions) if v == content) < durable else None
        if wrong:
            self.faults.append(f"{method}, call {number}: {name} {wrong}")

    def resume(self, method, checkpoint, wanted):
        work = self.folder / "resumed"
        work.mkdir()
        (work / "victim.checkpoint").write_bytes(checkpoint)
        done = subprocess.run(self.campaign.command(method, "victim") + ["--resume"], cwd=work, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.totals["resumed"] += 1
        if done.returncode:
            self.faults.append(f"{method}: a checkpoint is lost: {done.stderr.strip()}")
        elif (work / "victim.safetensors").read_bytes() != wanted:
            self.faults.append(f"{method}: a checkpoint resumes to another model")
        shutil.rmtree(work)

    def run(self, method):
        wanted, _ = self.campaign.reference(method)
        before, kept = self.totals["states"], self.faults
        self.faults = []
        calls = self.record(method)
        self.play(method, [words for words in calls if words[0] != "sync"])
        if not self.faults:
            sys.exit(f"{method}: a run that syncs nothing passes: these checks see nothing")
        self.faults, self.totals["states"] = [], before
        left = self.play(method, calls)
        self.faults = kept + self.faults
        if not left:
            self.faults.append(f"{method}: no checkpoint was recorded")
        chosen = list(left.values())
        self.random.shuffle(chosen)
        for checkpoint in chosen[:self.options.resumes]:
            self.resume(method, checkpoint, wanted)
        self.totals["calls"] += len(calls)
        self.totals["checkpoints"] += len(left)
        print(f"{method}: {len(calls)} calls that change files, {len(left)} checkpoints", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=2000, help="random states of each method")
    parser.add_argument("--resumes", type=int, default=1000, help="checkpoints of each method that are resumed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--methods", default=",".join(kill.METHODS))
    parser.add_argument("--program", type=pathlib.Path, default=kill.ROOT / "build/auxo")
    parser.add_argument("--ledger", help="JSON file to which the totals are added")
    options = parser.parse_args()
    options.program = options.program.resolve()
    with tempfile.TemporaryDirectory() as folder:
        campaign = PowerLoss(options, folder)
        for method in options.methods.split(","):
            campaign.run(method)
    totals = dict(campaign.totals, faults=len(campaign.faults))
    for fault in campaign.faults[:20]:
        print(fault)
    print(f"power loss: {totals['states']} states after {totals['calls']} calls, {totals['resumed']} checkpoints resumed, "
          f"{totals['faults']} faults")
    if options.ledger:
        kill.add_to_ledger(options.ledger, "power loss", totals)
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
