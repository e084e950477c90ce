#!/usr/bin/env python3
"""What the controller is worth: equal seconds of the whole process' work, equal budget of weights, several seeds.

    bench/adapt.py ROWS.jsonl [--auxo PROGRAM] [--seconds T] [--seeds N] [--first-seed N] [--data NAME,...]
                   [--contenders NAME;...] [--limit N] [--device D] [--table]

Every run is one line appended to ROWS.jsonl when it ends, and is not made again: an interrupted table goes on where it
was. --table only prints what there is: mean and standard deviation over seeds of the test result, which no run chose by.
Contenders are the controller with all its moves, with one move switched off each (ablation), with widening alone by each
score, with training alone (of the start network, and of one that has the budget's size), auto-sizing's and ResBuilder's
own rules as settings of the same loop (its presets), and random search over fixed networks within the budget; on deep-20
and deep-50, plain networks of 5 units a layer, training of all layers, of blocks, of both, and with layers taken out. Run it alone on the machine.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import time

ALL = ["train", "block", "widen", "narrow", "insert", "remove", "brake"]

# Plain networks of so many hidden layers of 5 units, on which backpropagation stalls; the only contenders are DEEP.
def deep(layers):
    return "mlp:4-" + "5-" * layers + "2"


DEEP = {"plain": "train", "blocks": "block", "all and blocks": "train,block", "all, blocks, fewer layers": "train,block,remove"}

# Start, fixed networks within the budget (the last is the largest), the budget (weights), what of the rows (and the data
# set where it has another name).
TABLES = ["mlp:8-8", "mlp:64", "mlp:16-16", "mlp:16-16-16", "mlp:24-24", "mlp:33-33"]
DATA = {
    "fashion-mnist": ("conv:8-16",
                      ["conv:8-16", "conv:16-32", "conv:24-24-24", "conv:16-32-32", "conv:48-32", "conv:32-64"],
                      20000, ["--augment", "none"]),
    "cifar-10": ("conv:16-32",
                 ["conv:16-32", "conv:32-64", "conv:64-64", "conv:40-40-40-40", "conv:32-64-64", "conv:56-112"],
                 60000, ["--augment", "none"]),
    "ccpp": ("mlp:8-8", TABLES, 1500, []),
    "metabric": ("mlp:8-8", TABLES, 1500, []),
    "deep-20": (deep(20), None, 0, ["--data", "reactor"]),
    "deep-50": (deep(50), None, 0, ["--data", "reactor"]),
}


def contenders(start, fixed, budget):
    """{name: arguments of auxo}"""
    if not fixed:
        return {name: ["adapt", "--model", start, "--moves", moves, "--cycles", "1000000"] for name, moves in DEEP.items()}
    base = ["adapt", "--model", start, "--budget-params", str(budget), "--cycles", "1000000"]
    found = {"adapt": base, "greedy": base + ["--policy", "greedy"], "norms": base + ["--policy", "norms"],
             "random": base + ["--policy", "random"],
             "plain": base + ["--moves", "train"],
             "plain, budget's size": ["adapt", "--model", fixed[-1], "--cycles", "1000000", "--moves", "train"],
             "widen, sensitivity": base + ["--moves", "train,widen"],
             "widen, gradmax": base + ["--moves", "train,widen", "--score", "gradmax", "--grow-init", "gradmax"],
             "widen, bottleneck": base + ["--moves", "train,widen", "--score", "bottleneck", "--grow-init", "bottleneck"],
             "widen, split": base + ["--moves", "train,widen", "--score", "split", "--grow-init", "split"],
             "autosize": base + ["--preset", "autosize"],
             "resbuild": base + ["--preset", "resbuild"],
             "search": None}
    for move in ALL[1:]:
        found["without " + move] = base + ["--moves", ",".join(m for m in ALL if m != move)]
    return found


def random_search(folder, data, seconds):
    """Over fixed networks and learning rates, by runs of the controller that only trains, of a sixth of the time each."""
    files = {"space.json": {"model": {"choices": DATA[data][1]},
                            "lr": {"type": "float", "low": 1e-4, "high": 0.03, "log": True}},
             "run.json": {"moves": "train", "cycles": 1000000, "optimizer": "adam", "time-limit": str(seconds / 6)}}
    for name, content in files.items():
        with open(os.path.join(folder, name), "w") as file:
            json.dump(content, file)
    return ["search", "--method", "random", "--run", "adapt", "--space", os.path.join(folder, "space.json"),
            "--run-settings", os.path.join(folder, "run.json"), "--metric", "best_validation", "--study",
            os.path.join(folder, "study.db")]


def result_of(events):
    """The result; of a search over runs, the result of its best run."""
    result = events[-1] if events else {}
    if result.get("event") == "result" and result.get("run"):
        best = [e for e in events if e["event"] == "evaluation" and e["number"] == result["number"]]
        return best[-1]["result"]
    return result


def run(options, data, name, arguments, seed):
    with tempfile.TemporaryDirectory() as folder:
        return run_once(options, data, name, arguments or random_search(folder, data, options.seconds), seed)


def run_once(options, data, name, arguments, seed):
    extra = DATA[data][3]
    given = [] if "--data" in extra else ["--data", data]
    command = [options.auxo] + arguments + given + ["--seed", str(seed), "--validation", "0.1", "--time-limit",
                                            str(options.seconds), "--device", options.device, "--json"]
    command += extra + ([] if name == "search" else ["--optimizer", options.optimizer])
    if options.limit:
        command += ["--limit", str(options.limit)]
    begun = time.time()
    ended = subprocess.run(command, capture_output=True, text=True)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    result = result_of(events)
    if ended.returncode or result.get("event") != "result":
        raise SystemExit("%s: %s" % (" ".join(command), ended.stderr.strip()[-300:] or result))
    return {"data": data, "contender": name, "seed": seed, "seconds": options.seconds, "limit": options.limit,
            "wall_seconds": round(time.time() - begun, 2), "device": options.device, "result": result}


def key(row):
    return (row["data"], row["contender"], row["seed"], row["seconds"], row["limit"], row["device"])


def read(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def score(row):
    """Test accuracy or concordance in percent, or the loss where there are no classes."""
    accuracy = row["result"].get("test_accuracy")
    if accuracy is None:
        accuracy = row["result"].get("test_concordance")
    return 100 * accuracy if accuracy is not None else row["result"].get("test_loss", math.nan)


def print_table(rows):
    print("| data | contender | test | sd | weights | overhead | undone | seeds |\n|---|---|---|---|---|---|---|---|")
    for data in DATA:
        for name in contenders(*DATA[data][:3]):
            found = [r for r in rows if r["data"] == data and r["contender"] == name]
            if not found:
                continue
            values = [score(r) for r in found]
            total = sum(r["result"].get("seconds", 0) or 0 for r in found)
            share = lambda *names: sum(r["result"].get(n, 0) or 0 for r in found for n in names) / total if total else 0
            print("| %s | %s | %.4g | %.2g | %.0f | %.0f %% | %.0f %% | %d |" % (
                data, name, statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0,
                statistics.mean(r["result"].get("weights", 0) or 0 for r in found),
                100 * share("measuring_seconds", "editing_seconds"), 100 * share("undone_seconds"), len(found)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows")
    parser.add_argument("--auxo", default="build/auxo")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--data", default=",".join(DATA))
    parser.add_argument("--contenders")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--optimizer", default="adam:lr=0.002")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    rows = read(options.rows)
    done = {key(r) for r in rows}
    for seed in range(options.first_seed, options.first_seed + (0 if options.table else options.seeds)):
        for data in options.data.split(","):
            for name, arguments in contenders(*DATA[data][:3]).items():
                if options.contenders and name not in options.contenders.split(";"):
                    continue
                if (data, name, seed, options.seconds, options.limit, options.device) in done:
                    continue
                row = run(options, data, name, arguments, seed)
                rows.append(row)
                with open(options.rows, "a") as file:
                    file.write(json.dumps(row) + "\n")
                print("%-14s %-22s seed %d: %.4g" % (data, name, seed, score(row)), flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
