#!/usr/bin/env python3
"""Compare every number of `auxo survival` with scikit-survival and lifelines on public tables.

    AUXO_DATA_DIR=... python3 tests/survival_oracle.py build/auxo

Needs scikit-survival and lifelines. Each table is fitted with --model linear, under Efron's and Breslow's treatment of
ties; coefficients, standard errors, risks, survival probabilities, Harrell's and Uno's C, cumulative/dynamic AUC, Brier
scores and their integral are computed again by the two packages from the same rows. Prints the largest difference of
each kind as a Markdown table and fails where one is above its tolerance.
"""
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import (brier_score, concordance_index_censored, concordance_index_ipcw,
                            cumulative_dynamic_auc, integrated_brier_score)
from sksurv.util import Surv

warnings.filterwarnings("ignore")
TABLES = ("gbsg", "metabric", "support", "whas")
TOLERANCE = 1e-5


def run(program, *words):
    result = subprocess.run([program, *words], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"auxo {' '.join(words)}: {result.stderr}")
    return result.stdout


def events(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def difference(ours, theirs):
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    return float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))))


def compare_table(program, folder, name, ties, worst):
    train_path = os.path.join(os.environ["AUXO_DATA_DIR"], "survival", f"deepsurv_{name}_train.csv")
    test_path = train_path.replace("_train", "_test")
    train, test = pd.read_csv(train_path), pd.read_csv(test_path)
    model = os.path.join(folder, f"{name}-{ties}.safetensors")
    common = ["--time", "duration", "--event", "event", "--device", "cpu"]
    fitted = events(run(program, "survival", "train", "--data", train_path, *common, "--model", "linear", "--ties", ties,
                        "--test-fraction", "0", "--save", model, "--json"))
    coefficients = [e for e in fitted if e["event"] == "coefficient"]
    result = [e for e in events(run(program, "survival", "eval", model, "--data", test_path, "--json", *common))
              if e["event"] == "result"][0]

    def note(kind, ours, theirs):
        worst[kind] = max(worst.get(kind, 0), difference(ours, theirs))

    columns = [c for c in train.columns if c not in ("duration", "event")]
    outcome = Surv.from_arrays(train.event == 1, train.duration)
    theirs = CoxPHSurvivalAnalysis(ties=ties, tol=1e-12, n_iter=200).fit(train[columns], outcome)
    note(f"coefficient ({ties}, scikit-survival)", [c["coefficient"] for c in coefficients], theirs.coef_)
    if ties == "efron":
        lifelines = CoxPHFitter().fit(train, "duration", "event", fit_options={"precision": 1e-12})
        note("coefficient (lifelines)", [c["coefficient"] for c in coefficients], lifelines.params_[columns])
        note("standard error (lifelines)", [c["standard_error"] for c in coefficients],
             lifelines.standard_errors_[columns])
        note("z (lifelines)", [c["z"] for c in coefficients], lifelines.summary.z[columns])
        note("p (lifelines)", [c["p"] for c in coefficients], lifelines.summary.p[columns])

    times = [t["time"] for t in result["dynamic_auc"]]
    text = run(program, "survival", "predict", model, "--data", test_path, "--device", "cpu", "--at",
               ",".join(repr(t) for t in times))
    table = np.array([[float(v) for v in line.split(",")] for line in text.splitlines()[1:]])
    risks, survival = table[:, 1], table[:, 2:]
    mean = train[columns].mean().to_numpy()
    note("risk", risks - risks.mean(), (lambda r: r - r.mean())((test[columns].to_numpy() - mean) @ theirs.coef_))
    if ties == "breslow":
        curves = theirs.predict_survival_function(test[columns])
        note("survival probability", survival, [[float(f(t)) for t in times] for f in curves])

    # A table that the model was not trained on gives its own distribution of censoring.
    observed = Surv.from_arrays(test.event == 1, test.duration)
    note("Harrell's C", result["concordance"],
         concordance_index_censored(test.event == 1, test.duration, risks)[0])
    happened = np.sort(test.duration[test.event == 1].to_numpy())
    quantile = lambda q: happened[int(q * (len(happened) - 1))]
    note("Uno's C", result["uno_concordance"], concordance_index_ipcw(observed, observed, risks, tau=quantile(0.9))[0])
    note("dynamic AUC", [t["auc"] for t in result["dynamic_auc"]],
         cumulative_dynamic_auc(observed, observed, risks, times)[0])
    note("Brier score", [t["brier"] for t in result["dynamic_auc"]], brier_score(observed, observed, survival, times)[1])
    grid = np.linspace(quantile(0.05), quantile(0.95), 100)
    text = run(program, "survival", "predict", model, "--data", test_path, "--device", "cpu", "--at",
               ",".join(repr(float(t)) for t in grid))
    survival = np.array([[float(v) for v in line.split(",")[2:]] for line in text.splitlines()[1:]])
    note("integrated Brier score", result["integrated_brier"],
         integrated_brier_score(observed, observed, survival, grid))


def main():
    worst = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in TABLES:
            for ties in ("efron", "breslow"):
                compare_table(sys.argv[1], folder, name, ties, worst)
    print("| quantity | largest relative difference |\n|---|---|")
    for kind, value in worst.items():
        print(f"| {kind} | {value:.1e} |")
    bad = [kind for kind, value in worst.items() if not value <= TOLERANCE]
    sys.exit(f"above {TOLERANCE}: {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
