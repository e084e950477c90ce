"""Estimators of scikit-learn's kind: networks that find their own size, and Cox models."""
import inspect

import numpy
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y, column_or_1d

from . import _arrays
from ._library import call, text
from ._methods import make_methods
from ._native import ffi, lib
from ._settings import Settings, documentation

try:  # from 1.6 on
    from sklearn.utils.validation import validate_data
except ImportError:
    validate_data = None

_methods = make_methods()
# Settings that say what data are, where files go and how runs are divided are no parameters of an estimator.
_LEFT_OUT = {"preset", "weights", "weight_rules", "reset", "folds", "fold", "loss", "augment", "test_fraction",
             "train_site", "stream", "shuffle"}
_KEPT = {"device", "keep"}


def _parameters(method, preset=None):
    """Settings of a method that are an estimator's parameters, with their values under a preset as defaults."""
    values = Settings.of_method(method._pointer)
    if preset:
        values.set(method.settings, {"preset": preset})
    found = {}
    for name, setting in method.settings.items():
        shapes = setting.role in ("shapes", "grows", "adapts")
        if name in _LEFT_OUT or not (shapes or name in _KEPT):
            continue
        default = setting._value(text(lib.auxo_settings_text(values.pointer, setting.name.encode())))
        setting.default = default
        found[name] = setting
    return found


def _with_parameters(settings):
    """A decorator: the settings become keyword arguments of __init__, and the docstring tells them."""

    def decorate(cls):
        def __init__(self, **values):
            unknown = set(values) - set(settings)
            if unknown:
                raise TypeError(f"{cls.__name__} has no parameter {sorted(unknown)[0]!r}")
            for name, setting in settings.items():
                setattr(self, name, values.get(name, setting.default))

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        __init__.__signature__ = inspect.Signature([own, *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=setting.default)
            for name, setting in settings.items())])
        cls.__init__ = __init__
        cls.__doc__ += "\n\n" + documentation(settings)
        cls._defaults = settings
        return cls

    return decorate


class _Network(BaseEstimator):
    """What the estimators share: rows in, a run of their method, its model out."""

    def _check(self, X, reset=True):
        """X as an array of numbers; remembers its columns, or compares them."""
        types = [numpy.float64, numpy.float32]
        if validate_data:
            return validate_data(self, X, reset=reset, dtype=types)
        self._check_feature_names(X, reset=reset)
        found = check_array(X, estimator=self, dtype=types)
        self._check_n_features(found, reset=reset)
        return found

    def _check_both(self, X, y, **options):
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X = self._check(X)
        return check_X_y(X, y, estimator=self, dtype=[numpy.float64, numpy.float32], **options)

    def _rows(self, X):
        check_is_fitted(self, "model_")
        return self._check(X, reset=False)

    def _predict(self, X):
        X = self._rows(X)
        return self.model_.predict(X)

    def _changed(self):
        """Parameters that are not at their defaults: to the library, what is given differs from what is not."""
        return {name: value for name, value in self.get_params().items()
                if value is not self._defaults[name].default and value != self._defaults[name].default}

    def _run(self, X, y):
        """All rows are trained on; how well they are told afterwards is nobody's result."""
        run = self._method.run(X, y, (X, y), {**self._preset, **self._changed()}).complete()
        self.model_, self.history_, self.report_ = run.model, run.events, run.report


@_with_parameters(_parameters(_methods["autosize"], "table"))
class AutosizeClassifier(ClassifierMixin, _Network):
    """A network for classes that grows and shrinks while it is trained, as an estimator of scikit-learn's.

    Defaults are those of the preset "table" of auxo.autosize. After fit: model_ (an auxo.Model), classes_, report_ (the
    run's HTML report), history_ (its events).
    """

    _method, _preset = _methods["autosize"], {"preset": "table"}

    def fit(self, X, y):
        """Trains on all rows: X (rows, columns) of numbers, y (rows) of classes."""
        X, y = self._check_both(X, y)
        check_classification_targets(y)
        self.classes_, numbers = numpy.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only: {self.classes_[0]!r}; a classifier needs two")
        self._run(X, numbers)
        return self

    def predict_proba(self, X):
        """The probability of each of classes_ for every row."""
        X = self._rows(X)
        found = self.model_.probabilities(X).astype(numpy.float64)
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, X):
        """The most probable class of every row."""
        X = self._rows(X)
        return self.classes_[self.model_.outputs(X).argmax(axis=1)]


@_with_parameters(_parameters(_methods["autosize"], "table"))
class AutosizeRegressor(RegressorMixin, _Network):
    """A network for numbers that grows and shrinks while it is trained, as an estimator of scikit-learn's.

    Defaults are those of the preset "table" of auxo.autosize. After fit: model_ (an auxo.Model), report_ (the run's HTML
    report), history_ (its events).
    """

    _method, _preset = _methods["autosize"], {"preset": "table"}

    def fit(self, X, y):
        """Trains on all rows: X (rows, columns) of numbers, y (rows) or (rows, targets)."""
        X, y = self._check_both(X, y, y_numeric=True, multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._run(X, numpy.asarray(y, dtype=numpy.float64))
        return self

    def predict(self, X):
        """The predicted numbers of every row."""
        return self._predict(X).astype(numpy.float64)


def _read_outcome(y):
    """(events, times) of scikit-survival's structured arrays; of numbers alone: every one is the time of an event."""
    found = _arrays.split_survival(y)
    if found:
        return found
    times = column_or_1d(check_array(y, ensure_2d=False, dtype=numpy.float64, input_name="y"), warn=True)
    return numpy.ones(len(times), dtype=bool), times


@_with_parameters(_parameters(_methods["survival"]))
class CoxNet(_Network):
    """A Cox model whose log relative risk is a network's output (model="linear": a linear one, fitted by Newton's
    method), by the conventions of scikit-survival.

    y is a structured array of the event (bool) and the time (float); numbers alone are times of events. After fit:
    model_ (an auxo.Model), unique_times_ (of events), report_ (the run's HTML report), history_ (its events).
    """

    _method, _preset = _methods["survival"], {}
    _predict_risk_score = True  # scikit-survival's: a higher prediction is an earlier event

    def fit(self, X, y):
        """Trains on all rows: X (rows, columns) of numbers, y as described."""
        if y is None:
            raise ValueError("CoxNet requires y to be passed, but the target y is None")
        X = self._check(X)
        events, times = _read_outcome(y)
        if len(events) != len(X):
            raise ValueError(f"X has {len(X)} rows, but y {len(events)}")
        outcome = numpy.empty(len(X), dtype=[("event", bool), ("time", numpy.float64)])
        outcome["event"], outcome["time"] = events, times
        self._run(X, outcome)
        self.unique_times_, self._hazard = self.model_.cumulative_hazard()
        return self

    @property
    def event_times_(self):
        """An older name of unique_times_."""
        return self.unique_times_

    def predict(self, X):
        """The log relative risk of every row; the higher, the earlier the event."""
        return self._predict(X).astype(numpy.float64)

    def predict_cumulative_hazard_function(self, X, return_array=False):
        """H(t) of every row at unique_times_: functions of t, or with return_array (rows, times)."""
        values = numpy.exp(self.predict(X))[:, None] * self._hazard
        return values if return_array else _step_functions(self.unique_times_, values)

    def predict_survival_function(self, X, return_array=False):
        """S(t) of every row at unique_times_: functions of t, or with return_array (rows, times)."""
        values = numpy.exp(-self.predict_cumulative_hazard_function(X, return_array=True))
        return values if return_array else _step_functions(self.unique_times_, values)

    def score(self, X, y):
        """Harrell's concordance of the predicted risks."""
        events, times = _read_outcome(y)
        return concordance(events, times, self.predict(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.positive_only = True
        return tags

    def _more_tags(self):  # before 1.6
        return {"requires_y": True, "requires_positive_y": True}


def concordance(events, times, risks):
    """Harrell's concordance: of all comparable pairs, those whose earlier event has the higher risk."""
    times, risks = (numpy.ascontiguousarray(values, dtype=numpy.float64) for values in (times, risks))
    events = numpy.ascontiguousarray(events, dtype=numpy.uint32)
    sample, found = ffi.new("auxo_survival_sample *"), ffi.new("auxo_concordance *")
    sample.count = len(times)
    sample.times, sample.risks = ffi.from_buffer("double[]", times), ffi.from_buffer("double[]", risks)
    sample.events = ffi.from_buffer("uint32_t[]", events)
    call(lib.auxo_survival_concordance, sample, found)
    return found.index


class StepFunction:
    """A right-continuous step function y[i] from x[i] on, where scikit-survival's own is not there."""

    def __init__(self, x, y):
        self.x, self.y = x, y
        self.domain = (0.0, x[-1])

    def __call__(self, x):
        place = numpy.searchsorted(self.x, x, side="right") - 1
        return self.y[numpy.maximum(place, 0)]


def _step_functions(x, values):
    try:
        from sksurv.functions import StepFunction as kind
    except ImportError:
        kind = StepFunction
    found = numpy.empty(len(values), dtype=object)
    for i, y in enumerate(values):
        found[i] = kind(x=x, y=y)
    return found
