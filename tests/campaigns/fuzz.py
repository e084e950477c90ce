#!/usr/bin/env python3
"""Runs the libFuzzer targets of tests/fuzz, and adds how many inputs they took to the ledger.

    tests/campaigns/fuzz.py --build build-fuzz [--seconds 10] [--inputs 10000000] [--only csv,model] [--ledger ledger.json]

Each target runs until it has taken --inputs inputs in all (those in the ledger count) or --seconds have passed. What it
learns is kept in BUILD/corpus. An input that crashes, leaks, runs for more than 60 seconds or takes 1 GiB is kept in
BUILD/found and told; the status then is 1. How the build is made: tests/fuzz/CMakeLists.txt.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUZZ = ROOT / "tests/fuzz"
# Longest inputs: where a reader needs no more, short ones are tried faster.
LENGTHS = {"settings": 256, "json": 256, "self_test": 256, "schema": 768, "tuning": 512, "csv": 512, "arff": 512,
           "config": 512, "trace": 512, "idx": 256, "norb": 256, "packed": 512, "model_json": 1024, "image": 1024,
           "mat": 1024, "study": 1024, "hazard": 768, "checkpoint": 6144, "results": 2048, "onnx": 1536, "model": 2560,
           "survival_model": 2560, "safetensors": 1024, "numpy": 768, "pack": 1024, "cifar": 3200}


# A short memory of what was freed and of who asked for memory makes small readers faster; the input that found a fault is
# kept, and run alone its report has all stacks.
SANITIZER = "quarantine_size_mb=4:malloc_context_size=1:detect_stack_use_after_return=0"


def run(target, noun, options, inputs):
    """(inputs taken, whether it failed)"""
    learnt, found = options.build / "corpus" / noun, options.build / "found"
    learnt.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    command = [str(target), str(learnt), str(FUZZ / "corpus" / noun), f"-dict={FUZZ / (noun + '.dict')}",
               f"-artifact_prefix={found}/{noun}-", f"-max_len={LENGTHS.get(noun, 4096)}", f"-runs={inputs}",
               f"-max_total_time={options.seconds}", "-timeout=60", "-rss_limit_mb=1024", "-malloc_limit_mb=1024",
               "-print_final_stats=1", "-verbosity=0", f"-seed={options.seed}"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
                          check=False, env=dict(os.environ, ASAN_OPTIONS=SANITIZER))
    taken = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    if done.returncode:
        print("\n".join(done.stderr.strip().splitlines()[-options.lines:]))
    return int(taken.group(1)) if taken else 0, done.returncode != 0


def inputs_of(ledger, noun):
    kept = json.loads(ledger.read_text()) if ledger and ledger.exists() else {}
    return kept.get("fuzz", {}).get(noun, {}).get("inputs", 0)


def add(ledger, noun, taken, broke):
    whole = json.loads(ledger.read_text()) if ledger.exists() else {}
    kept = whole.setdefault("fuzz", {}).setdefault(noun, {"inputs": 0, "faults": 0})
    kept["inputs"] += taken
    kept["faults"] += broke
    ledger.write_text(json.dumps(whole, indent=1) + "\n")


def table(ledger, page):
    """Puts the totals between the marks of the page of results."""
    kept = json.loads(ledger.read_text())["fuzz"]
    nouns = sorted(kept)
    rows = [f"| {n} | {kept[n]['inputs']:,} | {kept[n]['faults']} |" for n in nouns]
    half = (len(rows) + 1) // 2
    lines = ["| reader | inputs | faults found | | reader | inputs | faults found |",
             "| --- | ---: | ---: | --- | --- | ---: | ---: |"]
    for i in range(half):
        lines.append(rows[i][:-1] + "| " + (rows[half + i] if half + i < len(rows) else "| | | |"))
    total = sum(one["inputs"] for one in kept.values())
    least = sum(one["inputs"] >= 10_000_000 for one in kept.values())
    lines.append(f"\n{total:,} inputs in all; {least} of {len(rows)} readers have taken ten million.")
    text = page.read_text()
    begin, end = text.index("<!-- inputs -->"), text.index("<!-- -->")
    page.write_text(text[:begin] + "<!-- inputs -->\n" + "\n".join(lines) + "\n" + text[end:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-fuzz")
    parser.add_argument("--seconds", type=int, default=10, help="of each target; 0: no limit")
    parser.add_argument("--inputs", type=int, default=0, help="of each target in all; 0: no limit")
    parser.add_argument("--only", help="some of the targets, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="targets that run at a time")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--lines", type=int, default=60, help="of a fault's report that are shown")
    parser.add_argument("--ledger", type=pathlib.Path, help="JSON file to which the totals are added")
    parser.add_argument("--table", type=pathlib.Path, help="only put the ledger's totals into this page (trust.md)")
    options = parser.parse_args()
    if options.table:
        table(options.ledger, options.table)
        return 0
    options.build = options.build.resolve()
    nouns = options.only.split(",") if options.only else sorted(p.name[:-9] for p in FUZZ.glob("*_fuzz.cpp"))
    one_at_a_time = threading.Lock()

    def work(noun):
        """(inputs taken, whether it failed)"""
        target = options.build / "tests/fuzz" / f"fuzz_{noun}"
        if not target.exists():
            print(f"{noun}: {target} is not built")
            return 0, True
        left = options.inputs - inputs_of(options.ledger, noun) if options.inputs else -1
        if options.inputs and left <= 0:
            return 0, False
        taken, broke = run(target, noun, options, left)
        print(f"{noun}: {taken} inputs{', FAILED' if broke else ''}", flush=True)
        if options.ledger:
            with one_at_a_time:
                add(options.ledger, noun, taken, broke)
        return taken, broke

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(work, nouns))
    total = sum(taken for taken, _ in results)
    failed = [noun for noun, (_, broke) in zip(nouns, results) if broke]
    print(f"fuzz: {total} inputs of {len(nouns)} readers, {len(failed)} failed{': ' if failed else ''}{' '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
