"""Auxo: neural networks that find their own size and their own order of training, on any GPU.

    import auxo
    run = auxo.train((X, y), model="mlp:48-32", epochs=20, device="auto").complete()
    run.model.predict(X)

Every method of the library is a function here (train, autosize, morph, resbuild, adapt, search, sweep, multiscale,
survival, ...), with the settings that `auxo help METHOD` lists as keyword arguments; each makes a Run. Failures are
exceptions below auxo.Error with the library's one line. Estimators of scikit-learn's kind: AutosizeClassifier,
AutosizeRegressor, CoxNet.
"""
from . import _library, _methods
from ._library import Error, Interrupted, InvalidArgument, devices, missing_backends, version
from ._model import Model
from ._run import Run

__version__ = version()
methods = {name: method.function() for name, method in _methods.make_methods().items()}
globals().update(methods)
globals().update({kind.__name__: kind for kind in _library.errors.values()})

_ESTIMATORS = ("AutosizeClassifier", "AutosizeRegressor", "CoxNet")
__all__ = ["Error", "Model", "Run", "devices", "methods", "missing_backends", "version",
           *methods, *(kind.__name__ for kind in _library.errors.values()), *_ESTIMATORS]
__all__ = list(dict.fromkeys(__all__))


def __getattr__(name):
    """Estimators need scikit-learn, which is imported with the first of them."""
    if name not in _ESTIMATORS:
        raise AttributeError(f"module 'auxo' has no attribute {name!r}")
    from . import _estimators
    return getattr(_estimators, name)


def __dir__():
    return sorted(__all__)
