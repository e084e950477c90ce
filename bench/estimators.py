#!/usr/bin/env python3
"""Auxo's estimators beside scikit-learn's and scikit-survival's, on data sets that those packages bring, as a table.

    bench/estimators.py [DEVICE]

Five folds, the same for all, defaults throughout; inputs are standardised by the training rows. Mean of the folds (smallest
to largest), seconds to fit one fold, and the units that the networks ended with. Needs the Python package auxo,
scikit-learn and scikit-survival.
"""
import sys
import time

import numpy
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.column import encode_categorical
from sksurv.datasets import load_gbsg2, load_veterans_lung_cancer, load_whas500
from sksurv.linear_model import CoxPHSurvivalAnalysis

import auxo


def units(estimator):
    """Units of the hidden layers of the last fold's network."""
    weights = [array for name, array in estimator.model_.weights.items() if name.endswith(".weight")]
    return "-".join(str(array.shape[0]) for array in weights[:-1]) or "none"


def measure(estimator, X, y, folds):
    scores, seconds = [], []
    for train, test in folds:
        start = time.perf_counter()
        estimator.fit(X[train], y[train])
        seconds.append(time.perf_counter() - start)
        scores.append(estimator.score(X[test], y[test]))
    last = estimator[-1]
    return (f"{numpy.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})", f"{numpy.median(seconds):.2f}",
            units(last) if hasattr(last, "model_") else "")


def survival_sets():
    for load in (load_gbsg2, load_whas500, load_veterans_lung_cancer):
        frame, y = load()
        yield load.__name__[len("load_"):], encode_categorical(frame).to_numpy(numpy.float64), y


def cases(device):
    for load in (load_breast_cancer, load_wine, load_digits):
        X, y = load(return_X_y=True)
        folds = list(StratifiedKFold(5, shuffle=True, random_state=1).split(X, y))
        yield load.__name__[len("load_"):] + ", accuracy", X, y, folds, [
            auxo.AutosizeClassifier(device=device), MLPClassifier(random_state=1, max_iter=1000)]
    X, y = load_diabetes(return_X_y=True)
    yield "diabetes, R2", X, y, list(KFold(5, shuffle=True, random_state=1).split(X)), [
        auxo.AutosizeRegressor(device=device), MLPRegressor(random_state=1, max_iter=2000)]
    for name, X, y in survival_sets():
        events = y[y.dtype.names[0]]
        folds = list(StratifiedKFold(5, shuffle=True, random_state=1).split(X, events))
        yield name + ", concordance", X, y, folds, [
            auxo.CoxNet(device=device), auxo.CoxNet(device=device, model="linear"), CoxPHSurvivalAnalysis(ties="efron")]


def main():
    device = sys.argv[1] if len(sys.argv) > 1 else "cpu"
    print("| data, score | rows | estimator | five folds | seconds | units |\n|---|---:|---|---|---:|---|")
    for name, X, y, folds, estimators in cases(device):
        for estimator in estimators:
            shown = type(estimator).__name__ + (" linear" if getattr(estimator, "model", "") == "linear" else "")
            found = measure(make_pipeline(StandardScaler(), estimator), X, y, folds)
            print(f"| {name} | {len(X)} | {shown} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
