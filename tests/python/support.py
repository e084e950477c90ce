"""What the tests of the Python package share: rows, devices, folders."""
import os
import tempfile
import unittest

import numpy

import auxo

REQUIRED = [name for name in os.environ.get("AUXO_REQUIRE_DEVICES", "").split(",") if name]


def blobs(rows=300, columns=6, classes=3, seed=1, dtype=numpy.float32):
    """Classes that lie apart: (X, y)."""
    random = numpy.random.default_rng(seed)
    y = random.integers(classes, size=rows)
    centres = 3 * random.normal(size=(classes, columns))
    return (centres[y] + random.normal(size=(rows, columns))).astype(dtype), y


def line(rows=300, columns=4, seed=1):
    """Numbers that depend on the columns: (X, y)."""
    random = numpy.random.default_rng(seed)
    X = random.normal(size=(rows, columns))
    return X, X @ numpy.arange(1.0, columns + 1) + 5 + 0.1 * random.normal(size=rows)


def survival(rows=400, columns=3, seed=1):
    """Times whose log risk is 1.5 times the first column, a third of them censored: (X, y) as scikit-survival has it."""
    random = numpy.random.default_rng(seed)
    X = random.normal(size=(rows, columns))
    times, censored = random.exponential(numpy.exp(-1.5 * X[:, 0])), random.exponential(2.0, size=rows)
    y = numpy.empty(rows, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = times <= censored, numpy.minimum(times, censored)
    return X, y


class TestCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def refuses(self, words, function, *arguments, error=auxo.Error, **keywords):
        """The exception, whose text is one line that has the words."""
        with self.assertRaisesRegex(error, words) as caught:
            function(*arguments, **keywords)
        self.assertNotIn("\n", str(caught.exception))
        return caught.exception


def named_devices():
    """Devices of this machine to try, one of each backend; those that must be there and are not fail the test."""
    found = {}
    for device in auxo.devices():
        if not device["is_reference"]:
            found.setdefault(device["selector"].split(":")[0], device["selector"])
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise AssertionError(f"{', '.join(missing)} must be there: {auxo.missing_backends()}")
    only = os.environ.get("AUXO_TEST_DEVICES")
    return [name for backend, name in found.items() if not only or backend in only.split(",")]
