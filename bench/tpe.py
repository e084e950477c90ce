#!/usr/bin/env python3
"""Proposals on four standard test functions: random, the library's TPE, and Optuna's TPE with the same budget.

    bench/tpe.py [--library build/libauxo.so] [--trials 100] [--seeds 10] [--report tpe.md]

The library proposes through auxo_sampler_propose; the functions are evaluated here. Optuna is left out, visibly, where it
is not installed. Prints mean, standard deviation and the seeds in which TPE is better than random.
"""
import argparse
import ctypes
import math
import pathlib
import statistics

ROOT = pathlib.Path(__file__).resolve().parents[1]
RANDOM, TPE = 0, 1


class Parameter(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 64), ("kind", ctypes.c_int), ("low", ctypes.c_double),
                ("high", ctypes.c_double), ("step", ctypes.c_double), ("log", ctypes.c_bool),
                ("choices", ctypes.c_void_p), ("choice_count", ctypes.c_size_t), ("parent", ctypes.c_int),
                ("parent_low", ctypes.c_double), ("parent_high", ctypes.c_double), ("parent_choices", ctypes.c_uint64)]


class Space(ctypes.Structure):
    _fields_ = [("items", ctypes.POINTER(Parameter)), ("count", ctypes.c_size_t)]


class Sampler(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("seed", ctypes.c_uint64), ("startup", ctypes.c_uint32),
                ("candidates", ctypes.c_uint32), ("multivariate", ctypes.c_bool)]


class Observation(ctypes.Structure):
    _fields_ = [("values", ctypes.POINTER(ctypes.c_double)), ("loss", ctypes.c_double)]


def branin(x):
    a, b = x
    return ((b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6)**2 +
            10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10 - 0.397887)


HARTMANN_A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
              [17, 8, 0.05, 10, 0.1, 14]]
HARTMANN_P = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
              [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]


def hartmann(x):
    total = 0
    for weight, a, p in zip([1, 1.2, 3, 3.2], HARTMANN_A, HARTMANN_P):
        total += weight * math.exp(-sum(ai * (xi - pi * 1e-4)**2 for ai, xi, pi in zip(a, x, p)))
    return 3.32237 - total


def ackley(x):
    n = len(x)
    return (-20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n)) -
            math.exp(sum(math.cos(2 * math.pi * v) for v in x) / n) + 20 + math.e)


def rosenbrock(x):
    return sum(100 * (b - a * a)**2 + (1 - a)**2 for a, b in zip(x, x[1:]))


FUNCTIONS = {  # name: (function, ranges); the minimum of each is 0
    "Branin (2)": (branin, [(-5, 10), (0, 15)]),
    "Hartmann (6)": (hartmann, [(0, 1)] * 6),
    "Ackley (5)": (ackley, [(-32.768, 32.768)] * 5),
    "Rosenbrock (4)": (rosenbrock, [(-2.048, 2.048)] * 4),
}


def search_library(library, function, ranges, trials, kind, seed, multivariate):
    count = len(ranges)
    parameters = (Parameter * count)()
    for i, (low, high) in enumerate(ranges):
        parameters[i] = Parameter(f"x{i}".encode(), 0, low, high, 0, False, None, 0, -1, 0, 0, 0)
    space, sampler = Space(parameters, count), Sampler()
    library.auxo_sampler_init(kind, ctypes.c_uint64(seed), ctypes.byref(sampler))
    sampler.multivariate = multivariate
    observations, best = (Observation * trials)(), math.inf
    for trial in range(trials):
        values = (ctypes.c_double * count)()
        status = library.auxo_sampler_propose(ctypes.byref(sampler), ctypes.byref(space), observations,
                                              ctypes.c_size_t(trial), ctypes.c_uint64(trial), values, None)
        if status:
            raise RuntimeError(f"auxo_sampler_propose: {status}")
        loss = function(list(values))
        best = min(best, loss)
        observations[trial] = Observation(values, loss)
    return best


def search_optuna(optuna, function, ranges, trials, seed, multivariate):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=multivariate))
    study.optimize(lambda t: function([t.suggest_float(f"x{i}", *r) for i, r in enumerate(ranges)]), n_trials=trials)
    return study.best_value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", default=str(ROOT / "build" / "libauxo.so"))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    library = ctypes.CDLL(options.library)
    methods = {
        "random": lambda f, r, s: search_library(library, f, r, options.trials, RANDOM, s, False),
        "TPE": lambda f, r, s: search_library(library, f, r, options.trials, TPE, s, False),
        "TPE, multivariate": lambda f, r, s: search_library(library, f, r, options.trials, TPE, s, True),
    }
    try:
        import optuna
        import warnings
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        methods[f"Optuna {optuna.__version__} TPE"] = lambda f, r, s: search_optuna(optuna, f, r, options.trials, s, False)
        methods["Optuna TPE, multivariate"] = lambda f, r, s: search_optuna(optuna, f, r, options.trials, s, True)
    except ImportError:
        print("Optuna: SKIPPED, it is not installed\n")
    print("| Function (dimensions) | " + " | ".join(methods) + " |\n|---|" + "---|" * len(methods))
    for name, (function, ranges) in FUNCTIONS.items():
        cells, at_random = [], None
        for method in methods.values():
            found = [method(function, ranges, seed) for seed in range(1, options.seeds + 1)]
            at_random = at_random or found
            better = sum(a < b for a, b in zip(found, at_random))
            cell = f"{statistics.mean(found):.3g} ± {statistics.stdev(found):.2g}"
            cells.append(cell if found is at_random else f"{cell} ({better})")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
