#!/usr/bin/env python3
"""Lets one allocation, file call or call of the backend interface fail, the n-th, for many n, and looks at what is left.

    tests/campaigns/failing.py [--every 1] [--kinds memory,calls,device] [--commands train,eval] [--program build/auxo]

Each command runs with its n-th call failing, n = 1, 1 + K, 1 + 2 K ... (--every K; with --start the first n). Kinds:
memory (failing_memory.c), calls (failing_calls.c: what the kernel is asked for about files, memory and threads), device
(failing_device.c: a backend around the reference, called "failing"). A run must end by itself, without a signal, within
the time; with status 0 and everything that the undisturbed run prints and writes, or with status 1 (2 only if a file
could not be read) and one line; it must free what it allocated; its output files hold what they held, or
what the undisturbed run writes, and a checkpoint still resumes to the same model. Prints a table, and each fault with the command that
repeats it; ends with status 1 if there were any.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
TABLE = "".join(f"{i % 7},{i * 3 % 11},{i % 5},{i % 2}\n" for i in range(40))
COMMANDS = {  # {out}: a file that is written; {in}: what the preparation wrote; a checkpoint is there half-way
    "train": "train --data glyphs --limit 200 --model mlp:784-8-10 --epochs 2 --save {out} --checkpoint c --resume",
    "autosize": "autosize --data glyphs --limit 100 --model mlp:784-4-10 --dynamic-epochs 1 --static-epochs 1 --save {out}"
                " --checkpoint c --resume",
    "adapt": "adapt --data glyphs --limit 100 --model mlp:784-4-10 --batch 16 --cycles 4 --cycle-steps 2 --rest 0"
             " --growth-drive 1 --save {out} --checkpoint c --resume",
    "search": "search --data glyphs --limit 60 --method evolution --population 2 --evaluations 3 --batch 32 --save {out}"
              " --checkpoint c --resume",
    "survival": "survival train --data survival-sim --limit 100 --epochs 2 --save {out} --checkpoint c --resume",
    "eval": "eval {in} --data glyphs --limit 100",
    "predict": "predict {in} --data glyphs --limit 50 --out {out}",
}
PREPARE = {"eval": "train", "predict": "train"}
WALL = re.compile(r'"(seconds|[a-z_]*seconds[a-z_]*|time|rows_per_second|[a-z_]*per_second|[a-z_]*rate|eta|date|'
                  r'peak_[a-z_]*|memory[a-z_]*|compile[a-z_]*|device_name)":')
TOLD = re.compile(r"auxo: (?!(debug|info|note|warning|error): )")  # not a line of the log
LIMIT_SECONDS = 120


def settled(text):
    """What a run prints under --json, without times: fields by event in order."""
    events = []
    for line in text.splitlines():
        event = json.loads(line)
        events.append({k: (None if WALL.search(f'"{k}":') else v) for k, v in event.items()})
    return events


def difference(wanted, got):
    """Where two lists of events differ, or None."""
    if len(wanted) != len(got):
        return f"{len(got)} events instead of {len(wanted)}"
    for one, other in zip(wanted, got):
        if list(one) != list(other):
            return f"fields of {one.get('event')}: {sorted(set(one) ^ set(other))}"
        for key in one:
            if one[key] != other[key] and not isinstance(one[key], (dict, list)):
                return f"{one.get('event')}.{key} is {other[key]} instead of {one[key]}"
    return None


class Campaign:
    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.faults, self.rows = [], []
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        build = options.program.resolve().parent
        for path in [options.program, *build.glob("libauxo.so*")]:
            shutil.copy2(path, self.bin / path.name, follow_symlinks=True)
        self.compile("failing_memory.c", "failing_memory.so", "-shared", "-fPIC")
        self.compile("failing_calls.c", "failing_calls")
        device = [build / "tests/failing/libauxo_backend_failing.so"]
        self.device_folder = device[0].parent if device[0].exists() else None

    def compile(self, source, made, *flags):
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", *flags, str(HERE / source), "-o",
                        str(self.bin / made)], check=True)

    def environment(self, kind, number, report):
        made = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LD_LIBRARY_PATH": str(self.bin),
                "AUXO_CACHE_DIR": str(self.folder / "cache")}
        if kind == "memory":
            made |= {"LD_PRELOAD": str(self.bin / "failing_memory.so"), "FAILING_MEMORY_AT": str(number),
                     "FAILING_MEMORY_REPORT": str(report)}
        if kind == "device":
            made |= {"AUXO_BACKEND_PATH": str(self.device_folder), "FAILING_DEVICE_AT": str(number),
                     "FAILING_DEVICE_REPORT": str(report), "FAILING_DEVICE_STATUS": str(number % 3)}
        return made

    def run(self, words, kind, number, work):
        """One run with its number-th call failing (0: none). Returns (status, output, errors, report)."""
        report = self.folder / "report"
        report.unlink(missing_ok=True)
        device = "failing" if kind == "device" else "cpu"
        command = [str(self.bin / self.options.program.name), *words, "--device", device, "--json"]
        command += [] if kind == "device" else ["--threads", "2"]
        if kind == "calls":
            command = [str(self.bin / "failing_calls"), "--fail", str(number), "--report", str(report), "--"] + command
        try:
            done = subprocess.run(command, cwd=work, env=self.environment(kind, number, report), check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired as late:
            return "hangs", late.stdout or b"", late.stderr or b"", ""
        return (done.returncode, done.stdout, done.stderr, report.read_text() if report.exists() else "")

    def prepare(self, name, kind):
        """A folder as it is before the run: old output, checkpoint half-way, model to read."""
        start = self.folder / f"start-{name}-{kind}"
        start.mkdir()
        words = COMMANDS[name].split()
        self.must(COMMANDS[PREPARE.get(name, name)].format(out="made", **{"in": ""}).split(), kind, start)
        if name in PREPARE:
            (start / "made").rename(start / "in")
            for left in start.glob("c*"):
                left.unlink()
        else:
            # The first part of the run, then its checkpoint: made by a run that is interrupted at its first epoch.
            (start / "made").unlink()
            for left in start.glob("c*"):
                left.unlink()
            self.interrupted(words, kind, start)
        (start / "out").write_bytes(b"what was there before")
        return start

    def must(self, words, kind, work):
        status, _, errors, _ = self.run(words, kind, 0, work)
        if status != 0:
            sys.exit(f"{' '.join(words)}: ended with {status}: {errors.decode(errors='replace').strip()}")

    def interrupted(self, words, kind, work):
        words = [w.format(out="made", **{"in": "in"}) for w in words]
        device = "failing" if kind == "device" else "cpu"
        command = [str(self.bin / self.options.program.name), *words, "--device", device, "--json"]
        run = subprocess.Popen(command, cwd=work, env=self.environment(kind, 0, "/dev/null"), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
        for line in run.stdout:
            if (work / "c").exists():
                run.kill()
                break
        run.stdout.close()
        run.wait()
        for left in [work / "made", *work.glob("*.next")]:  # of the killed process
            left.unlink(missing_ok=True)

    def judge(self, name, number, kind, work, result, wanted):
        """What is wrong with one run; None: nothing."""
        status, output, errors, report = result
        wanted_events, wanted_out, wanted_left = wanted
        lines = errors.decode(errors="replace").strip().splitlines()
        told = [line for line in lines if TOLD.match(line)]
        if status == "hangs" or status < 0 or status > 3:
            return f"ended with {status}"
        if list(work.rglob("*.next")):
            return "left a temporary file"
        out = (work / "out").read_bytes() if (work / "out").exists() else None
        if status == 0:
            wrong = difference(wanted_events, settled(output.decode()))
            if wrong:
                return f"status 0, but {wrong}"
            if "{out}" in COMMANDS[name] and out != wanted_out:
                return "status 0, but the output file is another one"
        elif len(told) != 1:
            return f"status {status} with {len(told)} lines: {lines[-3:]}"
        elif status == 2 and kind == "memory":
            return f"status 2: {told[0]}"
        elif out not in (b"what was there before", wanted_out):
            return f"status {status}, and the output file is neither old nor new"
        left = re.search(r"^left (\d+)", report, re.M)
        if kind == "memory" and (not left or int(left.group(1)) > wanted_left):
            leaks = re.findall(r"^leak (.*)", report, re.M)
            return f"leaks: {left.group(1) if left else '?'} blocks, {wanted_left} without failure: {leaks[:4]}"
        live = re.search(r"^live (\d+)", report, re.M)
        if kind == "device" and live and int(live.group(1)):
            return f"leaks {live.group(1)} handles of the device"
        return None

    def resumes(self, name, kind, work, wanted):
        if "--resume" not in COMMANDS[name]:
            return None
        status, _, errors, _ = self.run(COMMANDS[name].format(out="out", **{"in": "in"}).split(), kind, 0, work)
        if status != 0:
            return f"its checkpoint is lost: {errors.decode(errors='replace').strip()}"
        return None if (work / "out").read_bytes() == wanted[1] else "resumes to another model"

    def sweep(self, name, kind):
        start = self.prepare(name, kind)
        words = COMMANDS[name].format(out="out", **{"in": "in"}).split()
        work = self.folder / "work"

        def fresh():
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(start, work)
        fresh()
        status, output, errors, report = self.run(words, kind, 0, work)
        if status != 0:
            sys.exit(f"{name}: the undisturbed run ended with {status}: {errors.decode()}")
        calls = int(re.search(r"^calls (\d+)", report, re.M).group(1))
        left = re.search(r"^left (\d+)", report, re.M)
        out = (work / "out").read_bytes() if (work / "out").exists() else None
        wanted = (settled(output.decode()), out, int(left.group(1)) if left else 0)
        every = self.options.every if self.options.every > 0 else max(1, calls // -self.options.every)
        faults, failed, runs, survived = 0, 0, 0, 0
        for number in range(self.options.start, calls + 1, every):
            fresh()
            result = self.run(words, kind, number, work)
            runs += 1
            failed += result[0] not in (0, "hangs")
            survived += result[0] == 0
            wrong = self.judge(name, number, kind, work, result, wanted)
            if not wrong and runs % self.options.resume_every == 0:
                wrong = self.resumes(name, kind, work, wanted)
            if wrong:
                faults += 1
                frames = re.findall(r"^frame (\S+)", result[3], re.M)
                told = re.search(r"^failed (.*)", result[3], re.M)
                self.faults.append(f"{name}, {kind} {number}: {wrong} {told.group(1) if told else ''}")
                print(self.faults[-1], flush=True)
                if self.options.frames:
                    print("   ", self.where(frames), flush=True)
        self.rows.append((name, kind, calls, runs, failed, survived, faults))
        print(f"{name}, {kind}: {calls} calls, {runs} runs, {failed} failed, {survived} succeeded all the same, "
              f"{faults} faults", flush=True)

    def where(self, frames):
        names = []
        for frame in frames[2:12]:
            path, _, offset = frame.partition("+")
            if "auxo" not in path:
                continue
            found = subprocess.run(["addr2line", "-f", "-e", path, offset], stdout=subprocess.PIPE, text=True,
                                   check=False).stdout.split()
            names.append(found[0] if found else frame)
        return " < ".join(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="every K-th call; -R: about R of all calls")
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--resume-every", type=int, default=10, help="after every K-th run its checkpoint is resumed")
    parser.add_argument("--kinds", default="memory,calls,device")
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/auxo")
    parser.add_argument("--frames", action="store_true", help="say where the call that failed was made")
    parser.add_argument("--ledger", help="JSON file to which the totals are added")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(options, folder)
        for kind in options.kinds.split(","):
            if kind == "device" and not campaign.device_folder:
                print("device: SKIPPED, the backend that fails is not built (AUXO_TESTS)")
                continue
            for name in options.commands.split(","):
                campaign.sweep(name, kind)
    print("| command | kind | calls | runs | failed cleanly or survived | faults |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for name, kind, calls, runs, failed, survived, faults in campaign.rows:
        print(f"| {name} | {kind} | {calls} | {runs} | {failed} / {survived} | {faults} |")
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
