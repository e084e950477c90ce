#!/usr/bin/env python3
"""Proposals for a network's widths and training: random, the library's TPE, and Optuna's TPE with the same budget.

    bench/tpe_networks.py [--program build/auxo] [--evaluations 25] [--seeds 10]

The space and the judge are those of `auxo search` (lenet5, Fashion-MNIST) for all: what Optuna proposes waits in the
study's file, where the program takes it, trains it and tells its value. Optuna is left out, visibly, where it is not
installed. Prints mean, standard deviation, worst and best seed, and the seeds in which it is better than random.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

SEARCH = ("search --data fashion-mnist --limit 500 --model lenet5 --units 4,32 --max-epochs 3 --patience 3 --device cpu "
          "--threads 1 --lr-range 1e-5,3e-2 --json")


def search(options, seed, evaluations, *more):
    """The result of the search."""
    command = [options.program, *SEARCH.split(), "--seed", str(seed), "--evaluations", str(evaluations), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def optuna_search(optuna, options, seed, multivariate, folder):
    """One trial after another: asked of Optuna's sampler, enqueued in the study's file, taken by the program."""
    path = os.path.join(folder, f"{seed}-{multivariate}.db")
    study = "--study", path, "--method", "random"
    search(options, seed, 1, *study)
    storage = "sqlite:///" + path
    shared = optuna.load_study(study_name="auxo", storage=storage)
    first = shared.trials[0]
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=multivariate)
    own = optuna.create_study(direction="maximize", sampler=sampler)
    result = None
    for number in range(1, options.evaluations + 1):
        # The first one's trial is a draw of the library's, as long as Optuna draws at random as well.
        trial = own.ask(first.distributions) if number > 1 else None
        if trial:
            shared.enqueue_trial(trial.params)
        result = search(options, seed, number, *study)
        told = shared.trials[-1]
        if trial:
            assert told.params == trial.params, "the program took another trial"
            own.tell(trial, told.value)
        else:
            own.add_trial(told)
    return result


def line(name, results, base):
    values = [100 * r["quality"] for r in results]
    tests = [100 * r["test_accuracy"] for r in results]
    better = sum(v > b for v, b in zip(values, base)) if base else None
    print(f"| {name} | {statistics.mean(values):.1f} ± {statistics.stdev(values):.1f} % | {min(values):.0f}, "
          f"{max(values):.0f} | {better if better is not None else ''} | {statistics.mean(tests):.1f} ± "
          f"{statistics.stdev(tests):.1f} % |", flush=True)
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/auxo")
    parser.add_argument("--evaluations", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    print("| Method | Validation, mean ± standard deviation | worst, best seed | better than random | Test |\n"
          "|---|---|---|---|---|")
    base = line("random", [search(options, s, options.evaluations, "--method", "random") for s in seeds], None)
    line("TPE", [search(options, s, options.evaluations, "--method", "tpe") for s in seeds], base)
    line("TPE, multivariate",
         [search(options, s, options.evaluations, "--method", "tpe", "--multivariate") for s in seeds], base)
    try:
        import optuna
    except ImportError:
        print("Optuna is not installed: left out", file=sys.stderr)
        return
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        for multivariate in (False, True):
            line(f"Optuna {optuna.__version__} TPE" + (", multivariate" if multivariate else ""),
                 [optuna_search(optuna, options, s, multivariate, folder) for s in seeds], base)


if __name__ == "__main__":
    main()
