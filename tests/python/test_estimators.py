"""Estimators: scikit-learn's own checks, pipelines and searches; scikit-survival's conventions."""
import os
import unittest
import warnings

import numpy
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import auxo
from support import TestCase, blobs, line, survival

try:
    import sksurv.metrics
    from sksurv.linear_model import CoxPHSurvivalAnalysis
except ImportError:
    sksurv = None


class Checks(TestCase):
    def test_check_estimator(self):
        for estimator in (auxo.AutosizeClassifier(device="cpu"), auxo.AutosizeRegressor(device="cpu"),
                          auxo.CoxNet(device="cpu", epochs=20)):
            with self.subTest(type(estimator).__name__), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check_estimator(estimator)

    def test_parameters_are_the_settings_of_the_preset(self):
        parameters = auxo.AutosizeClassifier().get_params()
        self.assertEqual(parameters["model"], "mlp:20-20:relu:he_uniform")
        self.assertEqual(parameters["batch"], 32)
        self.assertNotIn("data", parameters)
        self.assertIn("Rows per step", auxo.AutosizeClassifier.__doc__)
        self.assertEqual(clone(auxo.CoxNet(epochs=3)).epochs, 3)
        with self.assertRaisesRegex(TypeError, "no parameter 'alpa'"):
            auxo.AutosizeClassifier(alpa=1)


class Networks(TestCase):
    def test_pipelines_searches_and_scores(self):
        X, y = blobs(classes=4)
        pipeline = make_pipeline(StandardScaler(), auxo.AutosizeClassifier(device="cpu", dynamic_epochs=5, static_epochs=5))
        self.assertGreater(cross_val_score(pipeline, X, y, cv=3).min(), 0.8)
        search = GridSearchCV(pipeline, {"autosizeclassifier__alpha": [0.01, 0.1]}, cv=2).fit(X, y)
        self.assertGreater(search.best_score_, 0.8)
        best = search.best_estimator_.named_steps["autosizeclassifier"]
        self.assertIn("<svg", best.report_)
        self.assertIn("epoch", {event["event"] for event in best.history_})

    def test_names_of_classes_and_several_targets(self):
        X, y = blobs()
        names = numpy.array(["ant", "bee", "cow"])[y]
        self.assertGreater(auxo.AutosizeClassifier(device="cpu").fit(X, names).score(X, names), 0.9)
        X, y = line()
        self.assertGreater(auxo.AutosizeRegressor(device="cpu").fit(X, numpy.column_stack([y, -2 * y])).score(
            X, numpy.column_stack([y, -2 * y])), 0.95)


class Survival(TestCase):
    def test_conventions(self):
        X, y = survival()
        net = auxo.CoxNet(device="cpu", epochs=20).fit(X, y)
        self.assertGreater(net.score(X, y), 0.75)
        times = net.unique_times_
        self.assertTrue((numpy.diff(times) > 0).all())
        values = net.predict_survival_function(X[:5], return_array=True)
        self.assertEqual(values.shape, (5, len(times)))
        self.assertTrue((numpy.diff(values, axis=1) <= 0).all() and (values <= 1).all() and (values >= 0).all())
        functions = net.predict_survival_function(X[:5])
        for function, row in zip(functions, values):
            numpy.testing.assert_allclose(function(times), row)
        hazards = net.predict_cumulative_hazard_function(X[:5], return_array=True)
        numpy.testing.assert_allclose(numpy.exp(-hazards), values)
        risk = net.predict(X[:5])
        self.assertEqual(list(numpy.argsort(risk)), list(numpy.argsort(-values[:, len(times) // 2])))

    def test_the_linear_model_is_cox_s(self):
        X, y = survival()
        net = auxo.CoxNet(device="cpu", model="linear", ties="breslow").fit(X, y)
        # The score equations of the partial likelihood are zero at the fit.
        risk = numpy.exp(net.predict(X))
        gradient = numpy.zeros(X.shape[1])
        for i in numpy.flatnonzero(y["event"]):
            at_risk = y["time"] >= y["time"][i]
            gradient += X[i] - (risk[at_risk, None] * X[at_risk]).sum(axis=0) / risk[at_risk].sum()
        self.assertLess(numpy.abs(gradient).max(), 1e-2)

    @unittest.skipUnless(sksurv, "scikit-survival is not there")
    def test_scikit_survival_agrees(self):
        X, y = survival()
        net = auxo.CoxNet(device="cpu", model="linear").fit(X, y)
        peer = CoxPHSurvivalAnalysis(ties="efron").fit(X, y)
        difference = net.predict(X) - peer.predict(X)
        numpy.testing.assert_allclose(difference - difference.mean(), 0, atol=1e-3)
        self.assertAlmostEqual(net.score(X, y), peer.score(X, y), places=6)
        self.assertAlmostEqual(net.score(X, y),
                               sksurv.metrics.concordance_index_censored(y["event"], y["time"], net.predict(X))[0])
        times = numpy.quantile(y["time"], [0.25, 0.5, 0.75])
        ours = numpy.array([f(times) for f in net.predict_survival_function(X)])
        theirs = numpy.array([f(times) for f in peer.predict_survival_function(X)])
        numpy.testing.assert_allclose(ours, theirs, atol=0.02)
        self.assertGreater(cross_val_score(net, X, y, cv=3).min(), 0.7)
        sksurv.metrics.integrated_brier_score(y, y, ours, times)


if not sksurv and os.environ.get("AUXO_REQUIRE_SKSURV"):
    raise AssertionError("scikit-survival must be there")
