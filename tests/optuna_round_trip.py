#!/usr/bin/env python3
"""A study goes from Auxo to Optuna and back: schema, every field, and each continuing the other's work.

    tests/optuna_round_trip.py [--program build/auxo]

Needs Optuna 4 or 5 from PyPI (its storages need neither torch nor a server); says SKIPPED and ends with status 77
without it. Ends with status 1 at the first thing that is not as it must be.
"""
import argparse
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

try:
    import optuna
    from optuna.storages import RDBStorage
except ImportError:
    print("optuna round trip: SKIPPED, there is no optuna (pip install optuna)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[1]
SEARCH = ["search", "--data", "glyphs", "--limit", "120", "--model", "autosize-mlp", "--max-epochs", "2", "--patience",
          "2", "--device", "cpu", "--seed", "3", "--json"]


def check(condition, what):
    if not condition:
        sys.exit(f"optuna round trip: {what}")


class RoundTrip:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)

    def auxo(self, *words, expect=0):
        done = subprocess.run([self.program, *words], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
        check(done.returncode == expect, f"auxo {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def search(self, database, evaluations, *more):
        return self.auxo(*SEARCH, "--study", database, "--evaluations", str(evaluations), *more)

    def url(self, database):
        return f"sqlite:///{self.folder / database}"

    def schema(self, database):
        connection = sqlite3.connect(self.folder / database)
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        versions = [connection.execute("SELECT schema_version FROM version_info").fetchall(),
                    connection.execute("SELECT version_num FROM alembic_version").fetchall()]
        connection.close()
        return rows, versions

    def compare_schema(self):
        RDBStorage(self.url("empty.db"))
        check(self.schema("ours.db") == self.schema("empty.db"), "the schema is not Optuna's, statement by statement")

    def read_all(self, trained):
        study = optuna.load_study(study_name="auxo", storage=self.url("ours.db"))
        check(study.direction == optuna.study.StudyDirection.MAXIMIZE, "the direction is lost")
        check(len(study.trials) == len(trained), "there are other trials than were trained")
        for trial, event in zip(study.trials, trained):
            check(trial.state == optuna.trial.TrialState.COMPLETE, "a trial is not complete")
            check(trial.value == event["quality"], "a value differs")
            check(trial.user_attrs["genome"] == event["genome"] and trial.user_attrs["loss"] == event["val_loss"] and
                  trial.user_attrs["epochs"] == event["epochs"] and trial.user_attrs["weights"] == event["weights"],
                  "an attribute differs")
            check(sorted(trial.intermediate_values) == list(range(1, event["epochs"] + 1)), "an epoch is missing")
            check(max(trial.intermediate_values.values()) == trial.value, "no epoch has the trial's value")
            check(f"lr={trial.params['lr']:.4g} batch={trial.params['batch']}" in event["genome"], "a parameter differs")
            check(trial.datetime_complete >= trial.datetime_start, "the times make no sense")
            for name, distribution in trial.distributions.items():
                check(distribution._contains(distribution.to_internal_repr(trial.params[name])),
                      f"{name} lies outside its distribution")
        check(study.trials[0].distributions["lr"] == optuna.distributions.FloatDistribution(1e-4, 6e-4), "lr's range")
        check(study.trials[0].distributions["batch"] == optuna.distributions.IntDistribution(16, 64), "batch's range")
        check((self.folder / "ours.db.models" / study.best_trial.user_attrs["model"]).exists(), "the best model")
        importance = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
        check(set(importance) == set(study.best_trial.params), "importances")
        return study

    def continue_in_optuna(self, study):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        names = [name for name in study.trials[0].params if name.startswith("units")]

        def objective(trial):
            for name in names:
                trial.suggest_int(name, 10, 100)
            trial.suggest_float("lr", 1e-4, 6e-4)
            trial.suggest_int("batch", 16, 64)
            trial.suggest_float("alpha", 3.2e-5, 1e-3, log=True)
            trial.report(0.01, 1)
            return 0.01

        study.sampler = optuna.samplers.TPESampler(seed=1, n_startup_trials=2)
        study.optimize(objective, n_trials=2)
        study.enqueue_trial({"lr": 2e-4, "batch": 33})

    def auxo_goes_on(self, study, before):
        events = self.search("ours.db", before + 4)
        trained = [event for event in events if event["event"] == "evaluation"]
        check(len(trained) == 2, f"{len(trained)} trials were trained, not 2")
        check("lr=0.0002 batch=33" in trained[0]["genome"], "what was enqueued in Optuna was not tried first")
        states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
        check(states == ["COMPLETE"] * (before + 4), f"states after all: {states}")
        result = [event for event in events if event["event"] == "result"][0]
        check(result["quality"] == study.best_value, "Optuna and Auxo have different best values")

    def begun_in_optuna(self):
        study = optuna.create_study(storage=self.url("theirs.db"), study_name="theirs", direction="maximize")

        def objective(trial):
            trial.suggest_float("lr", 1e-4, 1e-2)
            trial.suggest_int("batch", 8, 16)
            return 0.0

        study.optimize(objective, n_trials=1)
        events = self.search("theirs.db", 6, "--networks", "dynamic", "--method", "growth")
        trained = [event for event in events if event["event"] == "evaluation"]
        check(len(trained) == 5, f"{len(trained)} trials were trained, not 5")
        trials = study.get_trials(deepcopy=False)[1:]
        check(all(8 <= trial.params["batch"] <= 16 for trial in trials), "the study's range was not taken")
        check(any(trial.params["lr"] > 6e-4 for trial in trials), "the study's range was not used")
        check(trials[0].distributions == study.trials[0].distributions, "the distributions differ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / "build" / "auxo"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trip = RoundTrip(options.program, folder)
        trained = [event for event in trip.search("ours.db", 5) if event["event"] == "evaluation"]
        trip.compare_schema()
        study = trip.read_all(trained)
        trip.continue_in_optuna(study)
        trip.auxo_goes_on(study, len(trained))
        trip.begun_in_optuna()
    print(f"optuna round trip: Optuna {optuna.__version__}: schema, fields, and studies continued both ways")


if __name__ == "__main__":
    main()
