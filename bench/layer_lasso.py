#!/usr/bin/env python3
"""Where LayerLasso removes blocks, and whether the networks are better for it (ResBuilder, thesis fig. 6.3 and 6.18).

    bench/layer_lasso.py ROWS.jsonl [--auxo PROGRAM] [--seeds N,...] [--lambdas L,...] [--taus T,...] [--limit N]
                         [--threads N] [--device D] [--table]

A small ResBuilder run on Fashion-MNIST for each strength lambda, threshold tau (of the mean |w| of a convolution; 0:
nothing is ever removed) and seed. Every run is one line appended to ROWS.jsonl when it ends, and is not made again.
--table only prints what there is. Compare by validation: the test column chose nothing.
"""
import argparse
import json
import os
import statistics
import subprocess

SETTINGS = ["resbuild", "--preset", "small", "--data", "fashion-mnist", "--batch", "64", "--epochs", "3",
            "--insertions", "3", "--cycles", "2", "--trainings", "inherited", "--lr-schedule", "cosine",
            "--prune-stat", "mean", "--json", "--log-every", "0"]


def run(options, strength, tau, seed):
    command = [options.auxo] + SETTINGS + ["--lambda-layer", strength, "--tau", tau, "--seed", str(seed), "--limit",
                                           str(options.limit), "--device", options.device, "--threads",
                                           str(options.threads)]
    ended = subprocess.run(command, capture_output=True, text=True)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.returncode or not events or events[-1].get("event") != "result":
        raise SystemExit("%s: %s" % (" ".join(command), ended.stderr.strip()[-300:]))
    made = [e for e in events if e["event"] == "architecture"]
    return {"lambda": strength, "tau": tau, "seed": seed, "limit": options.limit,
            "removed": sum(e["removed_blocks"] for e in made), "weakest": [e["weakest"] for e in made],
            "convolutions": [e["convolutions"] for e in made], "accuracy": [e["accuracy"] for e in made],
            "cost": [e["cost"] for e in made], "result": events[-1]}


def read(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def text(values, factor=1.0):
    mean = factor * statistics.mean(values)
    return "%.1f" % mean + (" ± %.1f" % (factor * statistics.stdev(values)) if len(values) > 1 else "")


def print_table(rows):
    print("| lambda | tau | blocks removed | weakest mean | convolutions at the end | validation | test | seeds |")
    print("|---|---|---|---|---|---|---|---|")
    for strength, tau in sorted({(r["lambda"], r["tau"]) for r in rows}, key=lambda k: (float(k[0]), float(k[1]))):
        found = [r for r in rows if (r["lambda"], r["tau"]) == (strength, tau)]
        weakest = min(w for r in found for w in r["weakest"] if w is not None)
        print("| %s | %s | %s | %.2g | %s | %s %% | %s %% | %d |" % (
            strength, tau, ", ".join(str(r["removed"]) for r in found), weakest,
            ", ".join(str(r["convolutions"][-1]) for r in found),
            text([r["result"]["validation_accuracy"] for r in found], 100),
            text([r["result"]["test_accuracy"] for r in found], 100), len(found)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows")
    parser.add_argument("--auxo", default="build/auxo")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--lambdas", default="1e-3,3e-3,1e-2")
    parser.add_argument("--taus", default="0,1e-2,2e-2")
    parser.add_argument("--limit", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    rows = read(options.rows)
    done = {(r["lambda"], r["tau"], r["seed"], r["limit"]) for r in rows}
    for seed in [] if options.table else [int(s) for s in options.seeds.split(",")]:
        for strength in options.lambdas.split(","):
            for tau in options.taus.split(","):
                if (strength, tau, seed, options.limit) in done:
                    continue
                rows.append(run(options, strength, tau, seed))
                with open(options.rows, "a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print_table(rows)


if __name__ == "__main__":
    main()
